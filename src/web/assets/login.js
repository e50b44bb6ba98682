// The PIN pad: a name, digits, in. Works with keys too.
import { call, say } from './base.js';

const says = document.getElementById('pin-says');
const dots = document.getElementById('pin-dots');
const faces = [...document.querySelectorAll('[data-person]')];
let person;
let pin = '';

function show() {
  dots.replaceChildren(...[...pin].map(() => document.createElement('i')));
  dots.setAttribute('data-count', pin.length);
}
function tell(text, bad) {
  says.textContent = text;
  says.classList.toggle('bad', Boolean(bad));
}
function choose(face) {
  for (const other of faces) other.setAttribute('aria-pressed', String(other === face));
  person = face.dataset.person;
  pin = '';
  show();
  tell(say('请输入 PIN', '請輸入 PIN', 'Enter your PIN'));
}
async function enter() {
  if (!person) return tell(say('先点一下您的名字', '先點一下您的名字', 'Tap your name first'), true);
  // Taken away at once: a second tap must not count as a second wrong PIN.
  const given = pin;
  if (!given) return;
  pin = '';
  show();
  try {
    await call('POST', '/api/v1/session', { body: { person, pin: given } });
    location.href = document.querySelector('[data-next]').dataset.next;
  } catch (refused) {
    tell(refused.message, true);
  }
}
function key(name) {
  if (name === 'ok') return enter();
  if (name === 'back') pin = pin.slice(0, -1);
  else if (pin.length < 12) pin += name;
  show();
}
for (const face of faces) face.addEventListener('click', () => choose(face));
for (const button of document.querySelectorAll('[data-key]')) button.addEventListener('click', () => key(button.dataset.key));
addEventListener('keydown', (event) => {
  if (/^\d$/.test(event.key)) key(event.key);
  else if (event.key === 'Backspace') key('back');
  else if (event.key === 'Enter' && pin) { event.preventDefault(); key('ok'); }
});
document.getElementById('lock')?.addEventListener('click', async () => {
  await call('POST', '/api/v1/session/end');
  location.reload();
});
if (faces.length === 1) choose(faces[0]);
