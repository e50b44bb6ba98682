// The customer's screen: it follows the gateway's word and has no keys. The gateway draws the page; a scan's progress is laid into it
// as it comes, any other picture by reading the page again. Out of reach of the gateway for long, it rests by itself: nobody could
// tell it any more that the customer has left.
const ALONE = 20000;
const body = document.body;
let latest;
let turn = 0;

/** Lays a scan's progress into the page; what was drawn stays where it is. */
function draw({ title, say, regions }) {
  const put = (css, text) => {
    const place = document.querySelector(css);
    if (place && place.textContent !== text) place.textContent = text;
  };
  put('[data-title]', title);
  put('[data-say]', say);
  for (const [region, state, share] of regions) {
    const part = document.querySelector(`[data-region="${region}"]`);
    if (part) {
      const [top, bottom] = [Number(part.dataset.top), Number(part.dataset.bottom)];
      const height = ((bottom - top) * share) / 100;
      const rise = part.querySelector('.rise');
      rise.setAttribute('y', String(bottom - height));
      rise.setAttribute('height', String(height));
      Object.assign(part.dataset, { state, share });
    }
    const arc = document.querySelector(`[data-arc="${region}"]`);
    if (arc) {
      arc.setAttribute('stroke-dasharray', `${share} 200`);
      Object.assign(arc.dataset, { state, share });
    }
  }
}

/** Another picture takes the place of the one that is shown. */
function change(main, scene) {
  document.querySelector('main').replaceWith(main);
  body.dataset.scene = scene;
  if (latest && /^(scan|done)-/.test(scene)) draw(latest);
}

async function look(scene) {
  if (body.dataset.scene === scene) return;
  const mine = ++turn;
  if (!/^(scan|done)-/.test(scene)) latest = undefined;
  try {
    const answer = await fetch(location.pathname, { headers: { accept: 'text/html' } });
    const fresh = new DOMParser().parseFromString(await answer.text(), 'text/html');
    // What was asked for later is shown.
    if (mine !== turn) return;
    if (fresh.documentElement.lang !== document.documentElement.lang || fresh.body.dataset.scene === 'code') location.reload();
    else change(document.adoptNode(fresh.querySelector('main')), fresh.body.dataset.scene);
  } catch { /* the stream ends too and begins anew */ }
}

function rest() {
  turn += 1;
  latest = undefined;
  if (['rest', 'code'].includes(body.dataset.scene)) return;
  change(document.importNode(document.getElementById('resting').content.firstElementChild, true), 'rest');
}

const source = new EventSource(`${location.pathname}/events`);
const heard = (kind, act) => source.addEventListener(kind, (event) => act(JSON.parse(event.data)));
let alone;
source.addEventListener('open', () => { clearTimeout(alone); alone = undefined; });
source.addEventListener('error', () => {
  alone ??= setTimeout(rest, ALONE);
  // A stream that was refused does not come back by itself.
  if (source.readyState === EventSource.CLOSED) setTimeout(() => location.reload(), 5000);
});
heard('code', ({ code }) => {
  const place = document.querySelector('[data-code]');
  if (place) place.textContent = code.replace(/(\d{3})(?=\d)/g, '$1 ');
  else location.reload();
});
heard('go', ({ to }) => { if (location.pathname === to) location.reload(); else location.replace(to); });
heard('look', ({ scene }) => look(scene));
heard('scan', (told) => { latest = told; draw(told); });
addEventListener('pagehide', () => source.close());

// A screen that goes dark in the middle of a scan helps nobody; browsers that do not know this keep their own settings.
const awake = () => { if (document.visibilityState === 'visible') navigator.wakeLock?.request('screen').catch(() => {}); };
document.addEventListener('visibilitychange', awake);
awake();
