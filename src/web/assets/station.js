// The chair's screen. The gateway draws the page; this sends what is tapped, follows the news, and shows a fresh value at
// once. Structure changes by reading the page again, so that there is one place that draws it.
import { call, dayName, finder, follow, refresh, say, toast, told } from './base.js';
import { signaturePad } from './signature.js';
import { send } from './photograph.js';
import { open as openCamera } from './camera.js';

const station = document.querySelector('[data-station]')?.dataset.station;
const visit = document.querySelector('[data-visit]')?.dataset.visit;
const version = () => document.body.dataset.version;
const lines = () => [...document.querySelectorAll('#told li')].map((line) => line.textContent);

/** Runs a write; tells what was refused, and what another tablet changed meanwhile; reads the page again either way. */
async function attempt(work, done) {
  const before = lines();
  try {
    const answer = await work();
    await refresh();
    if (done) done(answer);
  } catch (refused) {
    await refresh();
    const news = refused.what === 'stale' ? lines().filter((line) => !before.includes(line)) : [];
    const words = news.length ? say('另一台平板刚改过——', '另一台平板剛改過——', 'Another tablet changed: ') + news.join(say('；', '；', '; ')) : refused.message;
    toast(words, { bad: true });
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
      // Only the rail moves: the page stays where the eye is.
      link.closest('ol').scrollLeft = link.parentElement.offsetLeft - link.closest('ol').clientWidth / 2 + 40;
    } else link.removeAttribute('aria-current');
  }
}
/** What was said about another step is over. */
function hush() {
  document.querySelector('.toast')?.remove();
}
/** On to what is to be done next. */
function goOn() {
  hush();
  led = false;
  history.replaceState(null, '', location.pathname);
  show();
  scrollTo(0, 0);
}
/** Shows one panel until something else is chosen. */
function stayOn(key) {
  if (key !== chosen) hush();
  chosen = key;
  led = true;
  show();
  scrollTo(0, 0);
}
addEventListener('hashchange', () => { hush(); chosen = location.hash.slice(1); led = chosen !== ''; show(); scrollTo(0, 0); });
document.addEventListener('refreshed', show);
show();

// --- every tap
document.addEventListener('click', async (event) => {
  const button = event.target.closest('button');
  if (!button) return;
  const { post, body, ask, then, undo, undoBody, step, stars, camera, days, stay } = button.dataset;
  if (post) {
    if (ask && !confirm(ask)) return;
    button.disabled = true;
    await attempt(() => call('POST', post, { body: body ? JSON.parse(body) : {}, version: version() }), () => {
      if (undo) {
        // Two taps in all: the slip and its undoing.
        const back = () => attempt(() => call('POST', undo, { body: undoBody ? JSON.parse(undoBody) : {}, version: version() }));
        return toast(say('已更正', '已更正', 'Done'), { act: back, label: say('撤回', '撤回', 'Undo') });
      }
      if (then) location.href = then;
      else if (stay) stayOn(stay);
      else if ('on' in button.dataset) goOn();
      return undefined;
    });
    button.disabled = false;
  } else if (step) await keepSteps(step);
  else if (stars) {
    const wish = { stars: Number(stars), remark: document.getElementById('remark').value, passed: 'rating' };
    await attempt(() => call('POST', `/api/v1/visits/${visit}/sheet`, { body: wish, version: version() }), () => {
      for (const star of document.querySelectorAll('[data-stars]')) star.setAttribute('aria-pressed', String(star.dataset.stars <= stars));
      goOn();
    });
  } else if (camera !== undefined) openCamera({ ...button.dataset });
  else if (days) chooseDay(dayIn(Number(days)));
});

// Keys and the foot switch (which is one): the one thing to do now.
addEventListener('keydown', (event) => {
  // A blank or a return belongs to whatever has the focus; the foot switch's keys do not.
  const own = [' ', 'Enter'].includes(event.key) ? 'input, textarea, select, button, a, summary' : 'input, textarea, select';
  const typing = event.target.matches(own);
  if (typing || event.repeat || event.ctrlKey || event.altKey || event.metaKey || document.querySelector('dialog[open]')) return;
  if (![' ', 'Enter', 'PageDown', 'F9'].includes(event.key)) return;
  const button = document.querySelector('.panel.shown [data-key]:not([disabled])');
  if (!button) return;
  event.preventDefault();
  button.click();
});

async function keepSteps(step, only) {
  const now = [...document.querySelectorAll('[data-done-step]')].map((item) => item.dataset.doneStep);
  const steps = now.includes(step) && !only ? now.filter((s) => s !== step) : [...now, step];
  // While the care is noted, the page stays on it.
  stayOn('care');
  await attempt(() => call('POST', `/api/v1/visits/${visit}/steps`, { body: { steps }, version: version() }));
}

document.getElementById('own-step')?.addEventListener('submit', async (event) => {
  event.preventDefault();
  const field = event.target.elements.step;
  const text = field.value.trim();
  field.value = '';
  if (text) await keepSteps(text, true);
});

// A scan begins with the conditions it is taken under.
document.addEventListener('submit', (event) => {
  const form = event.target.closest('[data-begin]');
  if (!form) return;
  event.preventDefault();
  const fields = Object.fromEntries(new FormData(form));
  const conditions = { probe_wiped: true };
  for (const name of ['rested_min', 'washed_min']) if (fields[name] !== '') conditions[name] = Number(fields[name]);
  for (const name of ['celsius', 'humidity']) if (fields[name].trim()) conditions[name] = fields[name].trim().replace(',', '.');
  attempt(() => call('POST', `/api/v1/visits/${visit}/scans`, { body: { phase: form.dataset.begin, conditions }, version: version() }), () => stayOn(form.dataset.begin));
});

document.getElementById('questions')?.addEventListener('submit', (event) => {
  event.preventDefault();
  const fields = Object.fromEntries(new FormData(event.target));
  const wish = { ...fields, washed_min: Number(fields.washed_min), passed: 'questions' };
  attempt(() => call('POST', `/api/v1/visits/${visit}/sheet`, { body: wish, version: version() }), goOn);
});

// While the file chooser is open, its field must not be drawn anew: the picture would go nowhere.
document.addEventListener('click', (event) => {
  if (event.target.matches('input[type="file"]')) event.target.dataset.busy = '';
});
document.addEventListener('cancel', (event) => { if (event.target.dataset) delete event.target.dataset.busy; }, true);
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
      signature: signature.strokes(),
      purposes: Object.fromEntries(boxes.map((box) => [box.name, box.checked])),
    };
    attempt(() => call('POST', `/api/v1/visits/${visit}/consents`, { body, version: version() }), () => {
      goOn();
      toast(say('已保存', '已儲存', 'Saved'));
    });
  });
}

// --- whose visit it is
const chair = document.getElementById('search')?.dataset.chair;
finder(document.getElementById('search'), document.getElementById('found'), (customer) => {
  const button = document.createElement('button');
  button.addEventListener('click', async () => {
    try {
      await call('POST', '/api/v1/visits', { body: { customer: customer.id, station: chair } });
      location.reload();
    } catch (refused) {
      toast(refused.message, { bad: true });
    }
  });
  return button;
});
finder(document.getElementById('mend-search'), document.getElementById('mend-found'), (customer) => {
  const button = document.createElement('button');
  button.addEventListener('click', () => {
    const was = document.querySelector('#customer b').textContent;
    attempt(() => call('POST', `/api/v1/visits/${visit}/reassign`, { body: { customer: customer.id, reason: 'wrong customer' }, version: version() }), () => {
      toast(`${was} → ${customer.name}`);
      setTimeout(() => location.reload(), 1200);
    });
  });
  return button;
});

// --- the next date
const nextDay = document.getElementById('next-day');
const iso = (at) => `${at.getFullYear()}-${String(at.getMonth() + 1).padStart(2, '0')}-${String(at.getDate()).padStart(2, '0')}`;
function dayIn(days) {
  const at = new Date();
  at.setDate(at.getDate() + days);
  return at;
}
function chooseDay(at) {
  if (at) nextDay.value = iso(at);
  for (const button of document.querySelectorAll('[data-days]')) button.setAttribute('aria-pressed', String(iso(dayIn(Number(button.dataset.days))) === nextDay.value));
  const label = document.querySelector('[data-next-says]');
  label.textContent = nextDay.value ? dayName(new Date(`${nextDay.value}T12:00`)) : label.dataset.none;
}
if (nextDay) {
  for (const button of document.querySelectorAll('[data-days]')) button.querySelector('[data-day-name]').textContent = dayName(dayIn(Number(button.dataset.days)));
  nextDay.addEventListener('change', () => chooseDay());
  chooseDay();
  document.getElementById('close-visit').addEventListener('click', async (event) => {
    const button = event.currentTarget;
    button.disabled = true;
    await attempt(async () => {
      const kept = await call('POST', `/api/v1/visits/${visit}/sheet`, { body: { next_day: nextDay.value }, version: version() });
      // The page is left by itself: what is heard of the end must not draw it anew.
      document.body.dataset.leaving = '';
      try {
        await call('POST', `/api/v1/visits/${visit}/close`, { body: {}, version: kept.version });
      } catch (refused) {
        delete document.body.dataset.leaving;
        throw refused;
      }
      location.href = '/';
    });
    button.disabled = 'leaving' in document.body.dataset;
  });
}

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

if (visit) {
  follow(station, (kind, news) => {
    if (kind === 'advice') toast(told(news), { bad: true });
    if (kind === 'repeat') freshValue(news);
    soon();
  }, soon);
} else if (station) {
  follow(station, (kind) => { if (kind === 'visit') location.reload(); }, () => {});
}
