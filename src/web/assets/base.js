// What every page shares: calling the gateway, saying what it answered, times in this place's own clock, locking the screen.

/** Every write carries this; a foreign page cannot send it. */
const OWN = { 'x-skinlink': '1' };
/** A page that reads itself again: no sign that somebody is there. */
const BY_ITSELF = { 'x-skinlink-by-itself': '1' };
const tag = document.documentElement.lang;
const english = tag === 'en';

/** Picks a wording: simplified, traditional, English. */
export const say = (zh, hant, en) => (english ? en : tag === 'zh-Hant' ? hant : zh);
/** Picks what the gateway said in three languages. */
export const told = (words) => say(words.zh, words.zh_hant || words.zh, words.en);

/** A short message at the head of the page, where it hides no key, with one thing to do about it if there is one. */
export function toast(text, { bad = false, act, label } = {}) {
  let box = document.querySelector('.toast');
  if (!box) {
    box = document.createElement('div');
    box.setAttribute('role', 'status');
    document.body.append(box);
  }
  box.className = bad ? 'toast bad' : 'toast';
  box.textContent = text;
  if (act) {
    const button = Object.assign(document.createElement('button'), { type: 'button', textContent: label });
    button.addEventListener('click', () => { box.remove(); act(); });
    box.append(button);
  }
  clearTimeout(toast.timer);
  toast.timer = setTimeout(() => box.remove(), bad || act ? 9000 : 3500);
}

/** What the gateway refused, with its sentence for the person. */
export class Refused extends Error {
  constructor(status, body) {
    super(body?.error ? told(body.error) : say('网关没有回应，请稍候再试。', '閘道器沒有回應，請稍候再試。', 'The gateway did not answer; try again.'));
    this.status = status;
    this.what = body?.error?.what;
    this.current = body?.current;
  }
}

/** Calls the API. `version` becomes If-Match; `body` is JSON unless it is a Blob. */
export async function call(method, path, { body, version } = {}) {
  const headers = { ...OWN };
  if (version !== undefined) headers['if-match'] = `"${version}"`;
  const raw = body instanceof Blob;
  if (body !== undefined) headers['content-type'] = raw ? body.type || 'application/octet-stream' : 'application/json';
  let answer;
  try {
    answer = await fetch(path, { method, headers, body: body === undefined ? undefined : raw ? body : JSON.stringify(body) });
  } catch {
    throw new Refused(0);
  }
  const json = await answer.json().catch(() => undefined);
  if (answer.status === 401 && json?.error?.what === 'log_in') lock();
  if (!answer.ok) throw new Refused(answer.status, json);
  return json;
}

/** To the PIN pad, and back here afterwards. */
export function lock() {
  if (location.pathname !== '/login') location.href = `/login?next=${encodeURIComponent(location.pathname)}`;
}

const locale = english ? 'en-GB' : tag === 'zh-Hant' ? 'zh-TW' : 'zh-CN';
/** A day in words, with its weekday. */
export const dayName = (at) => at.toLocaleDateString(locale, { month: 'long', day: 'numeric', weekday: 'short' });

/** Times stand in the page as UTC; shown in this place's own time. */
export function showTimes(root = document) {
  const today = new Date().toDateString();
  for (const time of root.querySelectorAll('time[datetime]')) {
    if ('now' in time.dataset) time.dateTime = new Date().toISOString();
    const at = new Date(time.dateTime);
    if (Number.isNaN(at.valueOf())) continue;
    const clock = at.toLocaleTimeString(locale, { hour: '2-digit', minute: '2-digit', hour12: false });
    const date = at.toLocaleDateString(locale, { year: 'numeric', month: 'long', day: 'numeric' });
    const kind = time.dataset.as || 'both';
    if ('now' in time.dataset) time.textContent = dayName(at);
    else if (kind === 'date') time.textContent = date;
    else if (kind === 'clock') time.textContent = clock;
    else time.textContent = at.toDateString() === today ? `${say('今天', '今天', 'today')} ${clock}` : `${date} ${clock}`;
  }
}

/** Reads the page again and replaces what lives: every element with an id and `data-live`. Typing is never disturbed. */
export async function refresh() {
  const answer = await fetch(location.pathname + location.search, { headers: { accept: 'text/html', ...BY_ITSELF } }).catch(() => undefined);
  if (!answer?.ok) return;
  if (answer.redirected) return lock();
  const fresh = new DOMParser().parseFromString(await answer.text(), 'text/html');
  const seated = (page) => page.querySelector('[data-visit]')?.dataset.visit;
  // Another visit, or none any more: this is another page.
  if ('leaving' in document.body.dataset) return;
  if (seated(document) !== seated(fresh)) return location.reload();
  for (const old of document.querySelectorAll('[data-live][id]')) {
    const now = fresh.getElementById(old.id);
    if (!now || old.querySelector('[data-busy]')) continue;
    if (old.contains(document.activeElement) && document.activeElement.matches('input:not([type="file"]), textarea')) continue;
    // Times were written into the old one: compare what the gateway drew.
    if (old.drawn === now.outerHTML) continue;
    const drawn = now.outerHTML;
    const focus = old.contains(document.activeElement) ? document.activeElement.dataset : undefined;
    const place = document.adoptNode(now);
    place.drawn = drawn;
    old.replaceWith(place);
    // Who works with keys stays where they were.
    if (focus?.post) place.querySelector(`[data-post="${CSS.escape(focus.post)}"]`)?.focus({ preventScroll: true });
    if (focus?.step) place.querySelector(`[data-step="${CSS.escape(focus.step)}"]`)?.focus({ preventScroll: true });
  }
  const version = fresh.body.dataset.version;
  if (version !== undefined) document.body.dataset.version = version;
  showTimes();
  document.dispatchEvent(new CustomEvent('refreshed'));
}

/** Follows the gateway's news; `heard` gets each one, `again` is called after every gap. */
export function follow(station, heard, again) {
  const source = new EventSource(`/api/v1/events${station ? `?station=${encodeURIComponent(station)}` : ''}`);
  const offline = document.querySelector('.offline');
  let broken = false;
  source.addEventListener('open', () => {
    offline?.setAttribute('hidden', '');
    if (broken) again();
    broken = false;
  });
  source.addEventListener('error', () => {
    broken = true;
    offline?.removeAttribute('hidden');
    // A stream that was refused does not come back by itself.
    if (source.readyState === EventSource.CLOSED) setTimeout(() => location.reload(), 3000);
  });
  source.addEventListener('reset', again);
  for (const kind of ['repeat', 'reading', 'scan', 'visit', 'advice', 'device', 'capture', 'tray', 'day']) {
    source.addEventListener(kind, (event) => heard(kind, JSON.parse(event.data)));
  }
  addEventListener('pagehide', () => source.close());
  return source;
}

/** Makes a list of customers for a search; `make` gives the element of one. */
export function finder(field, list, make) {
  let typing;
  field?.addEventListener('input', () => {
    clearTimeout(typing);
    typing = setTimeout(async () => {
      const words = field.value.trim();
      if (!words) return list.replaceChildren();
      const { customers } = await call('GET', `/api/v1/customers?query=${encodeURIComponent(words)}`).catch(() => ({ customers: [] }));
      list.replaceChildren(...customers.map((customer) => {
        const item = document.createElement('li');
        const entry = make(customer);
        const detail = document.createElement('span');
        detail.className = 'soft small';
        const end = customer.phone.replace(/\D/g, '').slice(-4);
        detail.textContent = [end && `${list.dataset.phone || ''} ${end}`, customer.skin_type].filter(Boolean).join(' · ');
        entry.append(Object.assign(document.createElement('b'), { textContent: customer.name }), detail);
        item.append(entry);
        return item;
      }));
      if (!customers.length) list.append(Object.assign(document.createElement('li'), { textContent: list.dataset.none || say('没有找到。', '沒有找到。', 'Nobody found.') }));
    }, 180);
  });
}

// --- a screen that nobody touches locks itself
const idle = Number(document.body.dataset.idle || 0);
if (idle > 0) {
  let last = Date.now();
  for (const kind of ['pointerdown', 'keydown']) addEventListener(kind, () => { last = Date.now(); }, { passive: true });
  setInterval(async () => {
    if (Date.now() - last < idle * 60000) return;
    await call('POST', '/api/v1/session/end').catch(() => {});
    lock();
  }, 5000);
}

showTimes();
