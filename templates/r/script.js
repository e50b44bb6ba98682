// The page is whole without this. With it, two photographs of one view lie over one another and are wiped across.
for (const figure of document.querySelectorAll('figure.wipe')) {
  const frame = figure.querySelector('.frame');
  const slider = document.createElement('input');
  slider.type = 'range';
  slider.min = 0; slider.max = 100; slider.value = 50;
  slider.setAttribute('aria-label', figure.querySelector('figcaption b').textContent + ': ' +
    [...figure.querySelectorAll('.half span')].map((label) => label.textContent).join(' | '));
  const show = () => frame.style.setProperty('--at', slider.value + '%');
  slider.addEventListener('input', show);
  figure.classList.add('over');
  frame.after(slider);
  const drag = (event) => {
    const box = frame.getBoundingClientRect();
    slider.value = Math.round(100 * (event.clientX - box.left) / box.width);
    show();
  };
  frame.addEventListener('pointerdown', (event) => { frame.setPointerCapture(event.pointerId); drag(event); });
  frame.addEventListener('pointermove', (event) => { if (event.buttons) drag(event); });
  show();
}
for (const image of document.querySelectorAll('.half img')) {
  const gone = () => image.closest('.half').classList.add('gone');
  if (image.complete && !image.naturalWidth && image.currentSrc) gone();
  image.addEventListener('error', gone);
}
