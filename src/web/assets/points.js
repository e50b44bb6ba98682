// Three marks on a photograph: chosen, tapped or dragged into place, confirmed. Places are pixels of the picture.
import { call, toast, say } from './base.js';

const main = document.querySelector('main.points');
const picture = document.getElementById('picture');
const marks = [...picture.querySelectorAll('.mark')];
const buttons = [...document.querySelectorAll('.choices button')];
const { width, height } = picture.viewBox.baseVal;
let chosen = 0;

function choose(at) {
  chosen = at;
  marks.forEach((mark, nth) => mark.classList.toggle('chosen', nth === at));
  buttons.forEach((button, nth) => button.setAttribute('aria-pressed', String(nth === at)));
}

function put(mark, x, y) {
  mark.dataset.x = Math.min(Math.max(x, 0), width).toFixed(1);
  mark.dataset.y = Math.min(Math.max(y, 0), height).toFixed(1);
  mark.setAttribute('transform', `translate(${mark.dataset.x} ${mark.dataset.y})`);
}

/** Where on the picture an event happened. */
function place(event) {
  const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(picture.getScreenCTM().inverse());
  return [point.x, point.y];
}

let dragged;
picture.addEventListener('pointerdown', (event) => {
  event.preventDefault();
  const mark = event.target.closest('.mark');
  picture.setPointerCapture(event.pointerId);
  if (mark) {
    choose(Number(mark.dataset.point));
    dragged = mark;
    mark.focus({ preventScroll: true });
    return;
  }
  put(marks[chosen], ...place(event));
  choose((chosen + 1) % marks.length);
});
picture.addEventListener('pointermove', (event) => {
  if (dragged) put(dragged, ...place(event));
});
for (const end of ['pointerup', 'pointercancel']) picture.addEventListener(end, () => { dragged = undefined; });

const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
for (const mark of marks) {
  mark.addEventListener('focus', () => choose(Number(mark.dataset.point)));
  mark.addEventListener('keydown', (event) => {
    const step = STEPS[event.key];
    if (!step) return;
    event.preventDefault();
    const far = event.shiftKey ? 10 : 1;
    put(mark, Number(mark.dataset.x) + step[0] * far, Number(mark.dataset.y) + step[1] * far);
  });
}
buttons.forEach((button, nth) => button.addEventListener('click', () => choose(nth)));

const confirm = document.getElementById('confirm');
confirm.addEventListener('click', async () => {
  confirm.disabled = true;
  const points = marks.map((mark) => [Number(mark.dataset.x), Number(mark.dataset.y)]);
  try {
    await call('POST', `/api/v1/captures/${main.dataset.capture}/points`, { body: { points }, version: document.body.dataset.version });
    toast(say('已确认', '已確認', 'Confirmed'));
    location.assign(`/station/${main.dataset.station}`);
  } catch (refused) {
    toast(refused.message, { bad: true });
    if (refused.current?.version !== undefined) document.body.dataset.version = refused.current.version;
    confirm.disabled = false;
  }
});

choose(0);
