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
export function toast(text, { bad = false, act, label, stays = false } = {}) {
  let box = document.querySelector('.toast');
  if (!box) {
    box = document.createElement('div');
    box.setAttribute('role', 'status');
  }
  // Under an open dialog nothing is seen and nothing can be tapped.
  (document.querySelector('dialog[open]') ?? document.body).append(box);
  box.className = bad ? 'toast bad' : 'toast';
  box.textContent = text;
  if (act) {
    const button = Object.assign(document.createElement('button'), { type: 'button', textContent: label });
    button.addEventListener('click', () => { box.remove(); act(); });
    box.append(button);
  }
  clearTimeout(toast.timer);
  if (!stays) toast.timer = setTimeout(() => box.remove(), bad || act ? 9000 : 3500);
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

/** What was said in a dialog that closes stays on the page. */
document.addEventListener('close', (event) => {
  const box = event.target.querySelector?.('.toast');
  if (box) document.body.append(box);
}, true);

/** To the PIN pad, and back here afterwards. */
export function lock() {
  if (location.pathname === '/login') return;
  keepDraft();
  location.href = `/login?next=${encodeURIComponent(location.pathname + location.search + location.hash)}`;
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
    else if (kind === 'day') time.textContent = dayName(at);
    else if (kind === 'short') time.textContent = at.toDateString() === today ? clock : `${at.toLocaleDateString(locale, { month: 'short', day: 'numeric' })} ${clock}`;
    else time.textContent = at.toDateString() === today ? `${say('今天', '今天', 'today')} ${clock}` : `${date} ${clock}`;
  }
}

const TYPED = 'input:not([type="file"]), textarea, select';
/** What a field is called, with the step whose note it belongs to. */
const keyOf = (field) => (field.name || field.id) && (field.form?.dataset.note ?? '') + (field.name || field.id);
/** Whether a person has changed this field since the gateway drew it. */
function isTyped(field) {
  if (field.type === 'checkbox' || field.type === 'radio') return field.checked !== field.defaultChecked;
  if (field.options) return [...field.options].some((option) => option.selected !== option.defaultSelected) && field.selectedIndex !== Math.max(0, [...field.options].findIndex((option) => option.defaultSelected));
  return field.value !== field.defaultValue;
}
/** Beside a field: what another tablet wrote there, which is about to be written over. */
export function meanwhile(field, text) {
  const note = document.createElement('span');
  note.className = 'meanwhile';
  const theirs = text || say('（空）', '（空）', '(nothing)');
  note.textContent = say('另一台平板写的是：', '另一台平板寫的是：', 'The other tablet wrote: ') + theirs;
  const group = field.type === 'radio' && field.closest('fieldset');
  if (group) group.append(note);
  else field.after(note);
}
/** What the gateway drew: of a group of choices the one it chose. */
function drawnAs(field, group) {
  if (field.type !== 'radio') return field.defaultValue;
  return group.find((one) => one.defaultChecked)?.value ?? '';
}
/**
 * What a person typed or chose stays when its surroundings are drawn anew, as far as the field is still there. Where another tablet wrote
 * into the same field meanwhile, both are shown: what is kept here would overwrite it.
 */
export function carryOver(old, fresh) {
  const fields = [...old.querySelectorAll(TYPED)];
  for (const field of fields) {
    if (!keyOf(field) || !isTyped(field)) continue;
    const same = [...fresh.querySelectorAll(TYPED)].filter((one) => keyOf(one) === keyOf(field));
    const ticks = field.type === 'checkbox' || field.type === 'radio';
    const one = ticks ? same.find((other) => other.value === field.value) : same[0];
    if (!one) continue;
    if (!ticks) one.value = field.value;
    else one.checked = field.checked;
    if (!fresh.closest('[data-whole]') || field.type === 'checkbox' || (ticks && !field.checked)) continue;
    const [was, now] = [drawnAs(field, fields.filter((other) => keyOf(other) === keyOf(field))), drawnAs(one, same)];
    const words = ticks ? same.find((other) => other.value === now)?.closest('label')?.textContent.trim() : now;
    const noted = field.closest('.product, fieldset, label')?.querySelector('.meanwhile');
    if (now !== field.value && (now !== was || noted)) meanwhile(one, words);
  }
}

/** Forms with somebody's words that another tablet took away with their step, by step, until the words have a place again. */
export const leftOvers = new Map();
/** Keeps such forms; `left` says of which step. */
function leftOver(old, fresh) {
  const still = [...fresh.querySelectorAll('[data-note]')].map((form) => form.dataset.note);
  for (const form of old.querySelectorAll('[data-note]')) {
    const typed = [...form.elements].some((field) => field.matches(TYPED) && isTyped(field));
    if (!typed || still.includes(form.dataset.note)) continue;
    leftOvers.set(form.dataset.note, form);
    document.dispatchEvent(new CustomEvent('left', { detail: form.dataset.note }));
  }
}

// --- what was typed and not saved when the screen locked is there again for the same person on the same page
const DRAFT = 'skinlink-draft';
const texts = (page) => [...page.querySelectorAll(TYPED)].filter((field) => keyOf(field) && !['password', 'search', 'checkbox', 'radio'].includes(field.type));
/** The page and the visit on it: the next customer at a chair has the same address. */
const here = () => `${location.pathname}#${document.querySelector('[data-visit]')?.dataset.visit ?? ''}`;
function keepDraft() {
  const typed = [document, ...leftOvers.values()].flatMap(texts).filter(isTyped).map((field) => [keyOf(field), field.value]);
  try {
    if (typed.length) sessionStorage.setItem(DRAFT, JSON.stringify({ at: here(), who: document.body.dataset.who, typed }));
  } catch { /* a browser that keeps nothing */ }
}
function restoreDraft() {
  const person = document.body.dataset.who;
  if (!person) return;
  let draft;
  try {
    draft = JSON.parse(sessionStorage.getItem(DRAFT) || 'null');
    // Of another person nothing stays.
    if (draft && (draft.who !== person || draft.at === here())) sessionStorage.removeItem(DRAFT);
  } catch { return; }
  if (!draft || draft.who !== person || draft.at !== here()) return;
  const homeless = [];
  for (const [key, text] of draft.typed) {
    const field = texts(document).find((one) => keyOf(one) === key);
    if (!field) {
      homeless.push(text);
      continue;
    }
    field.value = text;
    field.closest('details')?.setAttribute('open', '');
  }
  const words = say('锁屏前输入的内容还在，还没有保存', '鎖屏前輸入的內容還在，還沒有儲存', 'What you typed before the screen locked is still here, not saved yet');
  const rest = homeless.length ? say('；其中没有位置了的：', '；其中沒有位置了的：', '; of it, without a place any more: ') + homeless.join(say('；', '；', '; ')) : '';
  toast(words + rest, { act: () => {}, label: say('好', '好', 'OK'), stays: homeless.length > 0 });
}

/** The field under the fingers is let go, so that it can be drawn anew. */
export function letGo() {
  if (document.activeElement?.matches(TYPED)) document.activeElement.blur();
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
  let behind = false;
  for (const old of document.querySelectorAll('[data-live][id]')) {
    const now = fresh.getElementById(old.id);
    // Times were written into the old one: compare what the gateway drew.
    if (!now || old.querySelector('[data-busy]') || old.drawn === now.outerHTML) continue;
    // What changed is told with the version it came with.
    if (behind && 'news' in old.dataset) continue;
    const typing = old.contains(document.activeElement) && document.activeElement.matches(TYPED) ? keyOf(document.activeElement) : '';
    // A field under the fingers is left alone, unless there is none any more.
    if (typing && [...now.querySelectorAll(TYPED)].some((field) => keyOf(field) === typing)) {
      // What is sent from here as a whole must not overwrite what was not seen.
      behind ||= 'whole' in old.dataset;
      continue;
    }
    const drawn = now.outerHTML;
    const focus = old.contains(document.activeElement) ? document.activeElement.dataset : undefined;
    const place = document.adoptNode(now);
    place.drawn = drawn;
    carryOver(old, place);
    for (const open of old.querySelectorAll('details[open][id]')) {
      const again = place.querySelector(`#${CSS.escape(open.id)}`);
      if (again) again.open = true;
    }
    leftOver(old, place);
    old.replaceWith(place);
    // Who works with keys stays where they were.
    if (focus?.post) place.querySelector(`[data-post="${CSS.escape(focus.post)}"]`)?.focus({ preventScroll: true });
    if (focus?.step) place.querySelector(`[data-step="${CSS.escape(focus.step)}"]`)?.focus({ preventScroll: true });
  }
  const version = fresh.body.dataset.version;
  if (version !== undefined && !behind) document.body.dataset.version = version;
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
      const { customers, refused } = await call('GET', `/api/v1/customers?query=${encodeURIComponent(words)}`).catch((fault) => ({ customers: [], refused: fault }));
      // Somebody typed on: what comes late is the answer to another question.
      if (field.value.trim() !== words) return undefined;
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
      const none = refused?.message || list.dataset.none || say('没有找到。', '沒有找到。', 'Nobody found.');
      if (!customers.length) list.append(Object.assign(document.createElement('li'), { textContent: none }));
      return undefined;
    }, 180);
  });
}

// --- a screen that nobody touches locks itself; a page in use keeps its session, also while somebody only types
const TAPPED = 'skinlink-tapped';
const idleMs = () => Number(document.body.dataset.idle || 0) * 60000;
if (idleMs() > 0) {
  let last = Date.now();
  let kept = last;
  const everywhere = () => {
    // Other pages of this browser share the session, and with it the last tap.
    try { return Math.max(last, Number(localStorage.getItem(TAPPED)) || 0); } catch { return last; }
  };
  const tapped = () => {
    const now = Date.now();
    if (now - last > 1000) { try { localStorage.setItem(TAPPED, String(now)); } catch { /* then each page for itself */ } }
    last = now;
    // The gateway counts taps by what it is asked.
    if (now - kept < 60000) return;
    kept = now;
    call('GET', '/api/v1/session').catch(() => {});
  };
  for (const kind of ['pointerdown', 'keydown', 'input']) addEventListener(kind, tapped, { passive: true });
  setInterval(async () => {
    if (Date.now() - everywhere() < idleMs()) return;
    const answer = await call('POST', '/api/v1/session/end', { body: { idle: true } }).catch(() => ({}));
    // Another page of this browser was used in between: the session is hers.
    if (answer.ended !== false) lock();
  }, 5000);
}

// The key with the name hands the tablet on: nobody who taps it afterwards is still the one before.
document.querySelector('.me')?.addEventListener('click', async (event) => {
  event.preventDefault();
  keepDraft();
  await call('POST', '/api/v1/session/end').catch(() => {});
  if (location.pathname === '/login') location.reload();
  else lock();
});

// What the gateway drew, before anything here writes into it.
for (const place of document.querySelectorAll('[data-live][id]')) place.drawn = place.outerHTML;
showTimes();
restoreDraft();
