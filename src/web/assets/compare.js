// Two photographs as taken, at the same scale: the second is laid over the first by its two marked points (turned, scaled, moved), so
// that the eyes coincide. Side by side, under a slider, in turn, or as a difference.
import { call, toast } from './base.js';
import { keys } from './showing.js';

keys(() => location.reload());

/** CSS matrix that takes a picture's own pixels to the frame so that its anchors fall on `goal`. */
function place([ax, ay, bx, by], [[gx, gy], [hx, hy]]) {
  const [dx, dy, ex, ey] = [bx - ax, by - ay, hx - gx, hy - gy];
  const length = dx * dx + dy * dy || 1;
  const [a, b] = [(dx * ex + dy * ey) / length, (dx * ey - dy * ex) / length];
  return `matrix(${a}, ${b}, ${-b}, ${a}, ${gx - a * ax + b * ay}, ${gy - b * ax - a * ay})`;
}

function lay(figure) {
  const frame = figure.querySelector('.frame');
  const { width, height } = frame.getBoundingClientRect();
  if (!width) return;
  const [one, two] = figure.querySelectorAll('img');
  const anchors = one.dataset.anchors.split(',').map(Number);
  // The first picture fills the frame; the second follows it.
  const scale = Math.max(width / one.dataset.width, height / one.dataset.height);
  const [ox, oy] = [(width - one.dataset.width * scale) / 2, (height - one.dataset.height * scale) / 2];
  const goal = [0, 2].map((at) => [anchors[at] * scale + ox, anchors[at + 1] * scale + oy]);
  for (const picture of [one, two]) {
    picture.width = picture.dataset.width;
    picture.height = picture.dataset.height;
    picture.style.transform = place(picture.dataset.anchors.split(',').map(Number), goal);
  }
}

const figures = [...document.querySelectorAll('.photos')];
// Pictures of a pair that was aligned in the store lie over each other as they are.
function again() { figures.filter((figure) => !figure.hidden && !figure.classList.contains('laid')).forEach(lay); }
again();
addEventListener('resize', again);

document.addEventListener('click', async (event) => {
  const button = event.target.closest('button');
  if (!button) return;
  const { mode, view, post, body } = button.dataset;
  const press = (name) => {
    for (const other of document.querySelectorAll(`button[data-${name}]`)) other.setAttribute('aria-pressed', String(other === button));
  };
  if (mode) {
    press('mode');
    for (const figure of figures) figure.dataset.mode = mode;
  } else if (view) {
    press('view');
    for (const figure of figures) figure.hidden = figure.dataset.pair !== view;
    for (const note of document.querySelectorAll('[data-note]')) note.hidden = note.dataset.note !== view;
  } else if (post) {
    button.disabled = true;
    try {
      await call('POST', post, { body: JSON.parse(body), version: document.body.dataset.version });
      location.reload();
    } catch (refused) {
      toast(refused.message, { bad: true });
      button.disabled = false;
    }
  }
  again();
});
for (const figure of figures) {
  const slider = figure.querySelector('.wipe');
  slider.addEventListener('input', () => figure.style.setProperty('--at', `${slider.value}%`));
}
