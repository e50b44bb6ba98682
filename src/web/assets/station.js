// The chair's screen. The gateway draws the page; this sends what is tapped, follows the news, and shows a fresh value at
// once. Structure changes by reading the page again, so that there is one place that draws it.
import { call, follow, refresh, say, toast } from './base.js';
import { signaturePad } from './signature.js';
import { send } from './photograph.js';

const station = document.querySelector('[data-station]')?.dataset.station;
const visit = document.querySelector('[data-visit]')?.dataset.visit;
const version = () => document.body.dataset.version;

/** Runs a write; tells what was refused; reads the page again either way. */
async function attempt(work, done) {
  try {
    const answer = await work();
    await refresh();
    if (done) done(answer);
  } catch (refused) {
    toast(refused.message, true);
    await refresh();
  }
}

// --- which panel is shown: the one asked for, else the next thing to do
let chosen = location.hash.slice(1);
let led = chosen !== '';
function show() {
  const next = document.getElementById('next')?.dataset.next;
  const key = (led && chosen) || next;
  for (const panel of document.querySelectorAll('.panel')) panel.classList.toggle('shown', panel.dataset.panel === key);
  for (const link of document.querySelectorAll('.rail a')) {
    if (link.dataset.panel === key) {
      link.setAttribute('aria-current', 'step');
      link.parentElement.setAttribute('data-shown', '');
    } else link.removeAttribute('aria-current');
  }
}
addEventListener('hashchange', () => { chosen = location.hash.slice(1); led = true; show(); });
document.addEventListener('refreshed', show);
show();

// --- every tap
document.addEventListener('click', async (event) => {
  const button = event.target.closest('[data-post]');
  if (button) {
    if (button.dataset.ask && !confirm(button.dataset.ask)) return;
    button.disabled = true;
    const body = button.dataset.body ? JSON.parse(button.dataset.body) : {};
    await attempt(() => call('POST', button.dataset.post, { body, version: version() }), () => {
      if (button.dataset.then) location.href = button.dataset.then;
    });
    button.disabled = false;
    return;
  }
  const step = event.target.closest('[data-step]');
  if (step) await keepSteps(step.dataset.step);
});

async function keepSteps(step, only) {
  const now = [...document.querySelectorAll('.done-list li')].map((item) => item.textContent);
  const steps = now.includes(step) && !only ? now.filter((s) => s !== step) : [...now, step];
  await attempt(() => call('POST', `/api/v1/visits/${visit}/steps`, { body: { steps }, version: version() }));
}

document.getElementById('own-step')?.addEventListener('submit', async (event) => {
  event.preventDefault();
  const field = event.target.elements.step;
  const text = field.value.trim();
  field.value = '';
  if (text) await keepSteps(text, true);
});

// While the camera is open, its field must not be drawn anew: the picture would go nowhere.
document.addEventListener('click', (event) => {
  if (event.target.matches('input[type="file"]')) event.target.dataset.busy = '';
});
document.addEventListener('cancel', (event) => delete event.target.dataset.busy, true);
document.addEventListener('change', (event) => {
  if (event.target.matches('input[type="file"]')) send(event.target);
});

// --- consent
const pad = document.getElementById('pad');
if (pad) {
  const signature = signaturePad(pad);
  document.getElementById('clear-pad').addEventListener('click', signature.clear);
  document.getElementById('agreement').addEventListener('submit', (event) => {
    event.preventDefault();
    const boxes = [...event.target.querySelectorAll('input[type="checkbox"]')];
    const body = {
      text_version: '2026-11',
      channel: 'station',
      staff: localStorage.getItem('staff') || 'station',
      signature: signature.strokes(),
      purposes: Object.fromEntries(boxes.map((box) => [box.name, box.checked])),
    };
    attempt(() => call('POST', `/api/v1/visits/${visit}/consents`, { body, version: version() }), () => {
      toast(say('已保存', 'Saved'));
      led = false;
      show();
    });
  });
}

// --- welcome: find or make the customer, open the visit
const staff = document.getElementById('staff');
if (staff) {
  staff.value = localStorage.getItem('staff') || '';
  staff.addEventListener('change', () => localStorage.setItem('staff', staff.value.trim()));
}

async function begin(customer) {
  const beautician = staff?.value.trim() || 'station';
  await call('POST', '/api/v1/visits', { body: { customer, station, beautician } });
  location.reload();
}

document.getElementById('newcomer')?.addEventListener('submit', async (event) => {
  event.preventDefault();
  const body = Object.fromEntries(new FormData(event.target));
  try {
    await begin((await call('POST', '/api/v1/customers', { body })).id);
  } catch (refused) {
    toast(refused.message, true);
  }
});

const search = document.getElementById('search');
let typing;
search?.addEventListener('input', () => {
  clearTimeout(typing);
  typing = setTimeout(async () => {
    const list = document.getElementById('found');
    const words = search.value.trim();
    if (!words) return list.replaceChildren();
    const { customers } = await call('GET', `/api/v1/customers?query=${encodeURIComponent(words)}`).catch(() => ({ customers: [] }));
    list.replaceChildren(...customers.map((customer) => {
      const item = document.createElement('li');
      const button = document.createElement('button');
      const name = document.createElement('b');
      name.textContent = customer.name;
      const detail = document.createElement('span');
      detail.className = 'soft small';
      detail.textContent = [customer.phone, customer.skin_type].filter(Boolean).join(' · ');
      button.append(name, detail);
      button.addEventListener('click', () => begin(customer.id).catch((refused) => toast(refused.message, true)));
      item.append(button);
      return item;
    }));
    if (!customers.length) list.append(Object.assign(document.createElement('li'), { textContent: say('没有找到，请在右侧建档。', 'Nobody found; make a new record.') }));
  }, 200);
});

// --- the news
let due;
function soon() {
  clearTimeout(due);
  due = setTimeout(refresh, 120);
}

function freshValue(news) {
  const shown = document.querySelector('.panel.shown');
  const value = shown?.querySelector('[data-now-value]');
  if (!value) return;
  value.textContent = news.value;
  shown.querySelector('[data-now-unit]').textContent = news.unit;
  shown.querySelectorAll('.dots i').forEach((dot, at) => dot.classList.toggle('full', at < news.have));
}

if (station) {
  follow(station, (kind, news) => {
    if (kind === 'advice') toast(say(news.zh, news.en), true);
    if (kind === 'repeat') freshValue(news);
    soon();
  }, soon);
}
