// What every page shares: calling the gateway, saying what it answered, showing times in this place's own clock.

/** Every write carries this; a foreign page cannot send it. */
const OWN = { 'x-skinlink': '1' };
const english = document.documentElement.lang === 'en';

/** Picks a wording. */
export const say = (zh, en) => (english ? en : zh);

/** A short message at the foot of the page. */
export function toast(text, bad = false) {
  let box = document.querySelector('.toast');
  if (!box) {
    box = document.createElement('div');
    box.setAttribute('role', 'status');
    document.body.append(box);
  }
  box.className = bad ? 'toast bad' : 'toast';
  box.textContent = text;
  clearTimeout(toast.timer);
  toast.timer = setTimeout(() => box.remove(), bad ? 9000 : 3500);
}

/** What the gateway refused, with its sentence for the person. */
export class Refused extends Error {
  constructor(status, body) {
    super(body?.error ? say(body.error.zh, body.error.en) : say('网关没有回应，请稍候再试。', 'The gateway did not answer; try again.'));
    this.status = status;
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
  if (!answer.ok) throw new Refused(answer.status, json);
  return json;
}

/** Times stand in the page as UTC; shown in this place's own time. */
export function showTimes(root = document) {
  const language = english ? 'en-GB' : 'zh-CN';
  const today = new Date().toDateString();
  for (const time of root.querySelectorAll('time[datetime]')) {
    const at = new Date(time.dateTime);
    if (Number.isNaN(at.valueOf())) continue;
    const clock = at.toLocaleTimeString(language, { hour: '2-digit', minute: '2-digit', hour12: false });
    const date = at.toLocaleDateString(language, { year: 'numeric', month: 'long', day: 'numeric' });
    const kind = time.dataset.as || 'both';
    if (kind === 'date') time.textContent = date;
    else if (kind === 'clock') time.textContent = clock;
    else time.textContent = at.toDateString() === today ? `${say('今天', 'today')} ${clock}` : `${date} ${clock}`;
  }
}

/** Reads the page again and replaces what lives: every element with an id and `data-live`. Typing is never disturbed. */
export async function refresh() {
  const answer = await fetch(location.pathname + location.search, { headers: { accept: 'text/html' } });
  if (!answer.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), 'text/html');
  const seated = (page) => page.querySelector('[data-visit]')?.dataset.visit;
  // Another visit, or none any more: this is another page.
  if (seated(document) !== seated(fresh)) return location.reload();
  for (const old of document.querySelectorAll('[data-live][id]')) {
    const now = fresh.getElementById(old.id);
    if (!now || old.querySelector('[data-busy]')) continue;
    if (old.contains(document.activeElement) && document.activeElement.matches('input:not([type="file"]), textarea')) continue;
    if (old.outerHTML !== now.outerHTML) old.replaceWith(document.adoptNode(now));
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
  source.addEventListener('open', () => offline?.setAttribute('hidden', ''));
  source.addEventListener('error', () => offline?.removeAttribute('hidden'));
  source.addEventListener('reset', again);
  for (const kind of ['repeat', 'reading', 'scan', 'visit', 'advice', 'device', 'capture', 'tray']) {
    source.addEventListener(kind, (event) => heard(kind, JSON.parse(event.data)));
  }
  return source;
}

showTimes();
