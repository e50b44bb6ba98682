// A pad to sign on: strokes become SVG path data in whole pixels, which is what is kept with the consent.

/** Longest path kept; a signature has a few kilobytes, a scribble stops here. */
const LIMIT = 20000;

export function signaturePad(pad) {
  const path = pad.querySelector('path');
  const hint = pad.querySelector('span');
  let strokes = '';
  let drawing = false;

  const place = (event) => {
    const box = pad.getBoundingClientRect();
    return `${Math.round(event.clientX - box.left)} ${Math.round(event.clientY - box.top)}`;
  };
  const show = () => {
    path.setAttribute('d', strokes);
    hint.hidden = strokes !== '';
  };
  pad.addEventListener('pointerdown', (event) => {
    event.preventDefault();
    pad.setPointerCapture(event.pointerId);
    drawing = true;
    strokes += `M${place(event)}`;
    show();
  });
  pad.addEventListener('pointermove', (event) => {
    if (!drawing || strokes.length > LIMIT) return;
    strokes += `L${place(event)}`;
    show();
  });
  for (const end of ['pointerup', 'pointercancel']) pad.addEventListener(end, () => { drawing = false; });

  return {
    strokes: () => strokes,
    clear: () => { strokes = ''; show(); },
  };
}
