// The chair's screen. The gateway draws the page; this sends what is tapped, follows the news, and shows a fresh value at
// once. Structure changes by reading the page again, so that there is one place that draws it.
import { call, carryOver, dayName, finder, follow, leftOvers, letGo, refresh, say, toast, told } from './base.js';
import { keys, reported } from './showing.js';
import { signaturePad } from './signature.js';
import { send } from './photograph.js';
import { open as openCamera } from './camera.js';

const station = document.querySelector('[data-station]')?.dataset.station;
const visit = document.querySelector('[data-visit]')?.dataset.visit;
const version = () => document.body.dataset.version;
const lines = () => [...document.querySelectorAll('#told li')].map((line) => line.textContent);

/** The step whose words lost their place while something was sent; the page says so, with the way back for them. */
let lostPlace = '';

/** Runs a write, perhaps `about` a step; tells what was refused, and what another tablet changed meanwhile; reads the page again either way. */
async function attempt(work, done, about) {
  const before = lines();
  lostPlace = '';
  letGo();
  try {
    const answer = await work();
    await refresh();
    if (done) done(answer);
  } catch (refused) {
    await refresh();
    // Words that lost their place are more than the news that took it; something else that was sent is not saved either.
    if (lostPlace) {
      if (lostPlace !== about) tellOfLeft(lostPlace, refused.message);
      return;
    }
    const news = refused.what === 'stale' ? lines().filter((line) => !before.includes(line)) : [];
    const words = news.length
      ? say('另一台平板刚改过——', '另一台平板剛改過——', 'Another tablet changed: ') + news.join(say('；', '；', '; '))
        + say('。您的还没有保存：看一眼，再点一次。', '。您的還沒有儲存：看一眼，再點一次。', '. Yours is not saved yet: look, then tap once more.')
      : refused.message;
    toast(words, { bad: true });
  }
}

/** A write after which the page is left by itself: what is heard meanwhile must not draw it anew. */
async function leaving(work) {
  document.body.dataset.leaving = '';
  try {
    return await work();
  } catch (refused) {
    delete document.body.dataset.leaving;
    throw refused;
  }
}

// --- pads for the customer's signature under the service sheet, kept with the tap that goes on
const pads = Object.fromEntries([...document.querySelectorAll('[data-pad]')].map((pad) => [pad.dataset.pad, signaturePad(pad)]));
/** What was drawn, as the sheet takes it; nothing where nobody signed. */
function signature(phase) {
  const strokes = phase ? pads[phase].strokes() : '';
  return strokes ? { [`signed_${phase}`]: strokes } : {};
}

// --- which panel is shown: the one asked for, else the next thing to do
let chosen = location.hash.slice(1);
let led = chosen !== '';
let before;
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
  if (key === 'report' && before !== 'report') reported(visit);
  before = key;
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
keys(refresh);

// --- every tap
document.addEventListener('click', async (event) => {
  const button = event.target.closest('button');
  if (!button) return;
  let gone = false;
  const { post, body, ask, then, undo, undoBody, step, drop, stars, camera, days, stay, bind, signs, remark, clear } = button.dataset;
  if (bind) {
    const region = button.closest('[data-tray]').querySelector('select').value;
    await attempt(() => call('POST', `/api/v1/tray/${bind}/bind`, { body: { scan: button.dataset.scan, region }, version: version() }));
  } else if (post) {
    if (ask && !confirm(ask)) return;
    button.disabled = true;
    const wish = { ...(body ? JSON.parse(body) : {}), ...signature(signs) };
    const work = () => call('POST', post, { body: wish, version: version() });
    await attempt(then ? () => leaving(work) : work, () => {
      if (signs) pads[signs].clear();
      if (undo) {
        // Two taps in all: the slip and its undoing.
        const back = () => attempt(() => call('POST', undo, { body: undoBody ? JSON.parse(undoBody) : {}, version: version() }));
        return toast(say('已更正', '已更正', 'Done'), { act: back, label: say('撤回', '撤回', 'Undo') });
      }
      if (then) {
        gone = true;
        location.href = then;
      } else if (stay) stayOn(stay);
      else if ('on' in button.dataset) goOn();
      return undefined;
    });
    button.disabled = gone;
  } else if (step) await keepSteps(toggled(step));
  else if (drop) await keepSteps(stepsDone().filter((_, at) => at !== Number(drop)));
  else if (remark) toggleRemark(button, remark);
  else if (clear) pads[clear].clear();
  else if (stars !== undefined) {
    // Words without a star are words too.
    const wish = { ...remarked(), passed: 'rating' };
    if (stars) wish.stars = Number(stars);
    await attempt(() => call('POST', `/api/v1/visits/${visit}/sheet`, { body: wish, version: version() }), goOn);
  } else if (camera !== undefined) openCamera({ ...button.dataset });
  else if (days) chooseDay(dayIn(Number(days)));
  else if (button.id === 'close-visit') await closeVisit(button);
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

/** What the customer said, if it was said here: words of another tablet stay. */
function remarked() {
  const { value, defaultValue } = document.getElementById('remark');
  return value === defaultValue ? {} : { remark: value };
}

const stepsDone = () => [...document.querySelectorAll('[data-done-step]')].map((item) => item.dataset.doneStep);
const toggled = (step) => (stepsDone().includes(step) ? stepsDone().filter((one) => one !== step) : [...stepsDone(), step]);
async function keepSteps(steps, done) {
  // While the care is noted, the page stays on it.
  stayOn('care');
  await attempt(() => call('POST', `/api/v1/visits/${visit}/steps`, { body: { steps }, version: version() }), done);
}

document.getElementById('own-step')?.addEventListener('submit', async (event) => {
  event.preventDefault();
  const field = event.target.elements.step;
  const text = field.value.trim();
  // What was refused can be sent again.
  if (text) await keepSteps([...stepsDone(), text], () => { field.value = ''; });
});

// --- how a step was done
const noteOf = (step) => [...document.querySelectorAll('[data-note]')].find((form) => form.dataset.note === step);

/** Puts usual words into the remark, or takes them out again. */
function toggleRemark(button, words) {
  const form = button.closest('[data-note]');
  const field = form.elements.remark;
  const said = field.value.split(/[、,，]\s*/).filter(Boolean);
  field.value = (said.includes(words) ? said.filter((one) => one !== words) : [...said, words]).join(say('、', '、', ', '));
}

/** Products that are ticked, or typed, with their batches. */
const products = (form) => [...form.querySelectorAll('.product')].map((row) => {
  const [what, batch] = row.querySelectorAll('input');
  const ticked = what.type !== 'checkbox' || what.checked;
  return { product: ticked ? what.value.trim() : '', batch: batch.value.trim() };
}).filter((used) => used.product);

// Whoever reads a batch off a package has it in the hand.
document.addEventListener('input', (event) => {
  const box = event.target.closest('.product')?.querySelector('input[type="checkbox"]');
  if (box && event.target !== box && event.target.value) box.checked = true;
});

document.addEventListener('submit', (event) => {
  const form = event.target.closest('[data-note]');
  if (!form) return;
  event.preventDefault();
  const field = (name) => form.elements[name]?.value.trim() ?? '';
  const body = { step: form.dataset.note, level: Number(field('level')) || null, setting: field('setting'), products: products(form), remark: field('remark') };
  stayOn('care');
  // What is typed while it is on its way would be taken for saved.
  form.inert = true;
  attempt(async () => {
    const answer = await call('POST', `/api/v1/visits/${visit}/step`, { body, version: version() }).finally(() => { form.inert = false; });
    // What was typed is the gateway's now: it draws it. The page may have been drawn anew meanwhile.
    const now = noteOf(body.step) ?? form;
    now.reset();
    now.closest('details').open = false;
    return answer;
  }, () => toast(say('已保存', '已儲存', 'Saved')), body.step);
});

// A step was taken out, mostly by another tablet, while somebody wrote about it: the words are not lost with it. They wait above the
// steps, whatever else is said meanwhile, and stand in their step again as soon as it is back.
const ofLeft = (step) => say(`“${step}”这一步被移除了，您填的还没有保存。`, `「${step}」這一步被移除了，您填的還沒有儲存。`, `“${step}” was taken out; what you filled in there is not saved.`);
const backWord = () => say('加回这一步', '加回這一步', 'Put it back');
const putBack = (step) => keepSteps([...stepsDone(), step], () => noteOf(step)?.scrollIntoView({ block: 'center' }));
function tellOfLeft(step, more = '') {
  toast(ofLeft(step) + more, { bad: true, stays: true, act: () => putBack(step), label: backWord() });
}
document.addEventListener('left', ({ detail: step }) => {
  lostPlace = step;
  tellOfLeft(step);
});
document.addEventListener('refreshed', () => {
  for (const [step, form] of leftOvers) {
    const now = noteOf(step);
    if (!now) continue;
    leftOvers.delete(step);
    carryOver(form, now);
    now.closest('details').open = true;
  }
  const panel = document.querySelector('.panel[data-panel="care"]');
  panel?.querySelector('.left-over')?.remove();
  if (!panel || !leftOvers.size) return;
  const list = Object.assign(document.createElement('ul'), { className: 'notice bad left-over' });
  for (const step of leftOvers.keys()) {
    const line = Object.assign(document.createElement('li'), { textContent: ofLeft(step) });
    const button = Object.assign(document.createElement('button'), { type: 'button', textContent: backWord() });
    button.addEventListener('click', () => putBack(step));
    line.append(button);
    list.append(line);
  }
  panel.prepend(list);
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

document.addEventListener('submit', (event) => {
  if (event.target.id !== 'questions') return;
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
    const all = [...event.target.querySelectorAll('input[type="checkbox"]')];
    // Only what is changed here: what another tablet took back meanwhile is not given again.
    const boxes = 'saved' in document.getElementById('purposes').dataset ? all.filter((box) => box.checked !== box.defaultChecked) : all;
    if (!boxes.length) return goOn();
    if (boxes.some((box) => box.checked) && !signature.strokes()) {
      return toast(say('新的同意需要顾客签名：请顾客先在下面签名。', '新的同意需要顧客簽名：請顧客先在下面簽名。', 'What is newly agreed to needs a signature: let the customer sign below first.'), { bad: true });
    }
    const body = {
      text_version: '2026-11-28',
      channel: 'station',
      signature: signature.strokes(),
      purposes: Object.fromEntries(boxes.map((box) => [box.name, box.checked])),
    };
    return attempt(() => call('POST', `/api/v1/visits/${visit}/consents`, { body, version: version() }), () => {
      // It stands under what was agreed to now, and under nothing else.
      signature.clear();
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
const iso = (at) => `${at.getFullYear()}-${String(at.getMonth() + 1).padStart(2, '0')}-${String(at.getDate()).padStart(2, '0')}`;
function dayIn(days) {
  const at = new Date();
  at.setDate(at.getDate() + days);
  return at;
}
function chooseDay(at) {
  const nextDay = document.getElementById('next-day');
  if (!nextDay) return;
  if (at) nextDay.value = iso(at);
  for (const button of document.querySelectorAll('[data-days]')) {
    const day = dayIn(Number(button.dataset.days));
    button.querySelector('[data-day-name]').textContent = dayName(day);
    button.setAttribute('aria-pressed', String(iso(day) === nextDay.value));
  }
  const label = document.querySelector('[data-next-says]');
  label.textContent = nextDay.value ? dayName(new Date(`${nextDay.value}T12:00`)) : label.dataset.none;
}
document.addEventListener('change', (event) => {
  if (event.target.id === 'next-day') chooseDay();
});
document.addEventListener('refreshed', () => chooseDay());
chooseDay();

async function closeVisit(button) {
  button.disabled = true;
  await attempt(async () => {
    const { value, defaultValue } = document.getElementById('next-day');
    const wish = { ...(value === defaultValue ? {} : { next_day: value }), ...signature('after'), ...remarked() };
    const seen = Object.keys(wish).length ? (await call('POST', `/api/v1/visits/${visit}/sheet`, { body: wish, version: version() })).version : version();
    // It is kept, whether or not the end is refused.
    pads.after.clear();
    await leaving(() => call('POST', `/api/v1/visits/${visit}/close`, { body: {}, version: seen }));
    location.href = '/';
  });
  button.disabled = 'leaving' in document.body.dataset;
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
