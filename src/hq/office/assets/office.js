// Keeps an open page up to date. Without it everything works by loading the page again.

const offline = document.querySelector('.offline');
const main = document.querySelector('main');

/** Listens; what was missed while the line was down comes whole with the next word. */
function listen(address, words) {
  const news = new EventSource(address);
  let opened = false;
  news.addEventListener('open', () => {
    offline.hidden = true;
    // A page of another build, or of somebody who is logged in no more, draws itself anew.
    if (opened) again();
    opened = true;
  });
  news.addEventListener('error', () => {
    offline.hidden = false;
    if (news.readyState === EventSource.CLOSED) setTimeout(() => location.reload(), 5000);
  });
  // Logged out, or the program ends: the page itself finds out which.
  news.addEventListener('out', () => { news.close(); setTimeout(() => location.reload(), 1000); });
  for (const [word, act] of Object.entries(words)) news.addEventListener(word, (event) => act(JSON.parse(event.data)));
}

/** Parts of a page that are drawn anew only where they changed: what was opened or is being pressed in the others stays. */
const parts = (root) => [...root.querySelectorAll('[data-part]')];
const names = (root) => parts(root).map((part) => part.dataset.part).join(' ');

/** What the server said of a part, whatever was opened in it since; the key of a form is another one each time. */
const said = (part) => part.outerHTML.replace(/(name="key" value=")[^"]*/, '$1');
const shown = new WeakMap();
const note = () => parts(main).forEach((part) => shown.set(part, said(part)));

let reading = false;
let wanted;

/** The page as it is now, in the place of what is shown. One reading after the other, so that no older one comes last. */
async function again({ all = true } = {}) {
  wanted = { all: all || Boolean(wanted?.all) };
  if (reading) return;
  reading = true;
  try {
    while (wanted) {
      const { all: whole } = wanted;
      wanted = undefined;
      await read(whole);
    }
  } finally {
    reading = false;
  }
}

/** `all`: with the list of visits, which a busy store gives now and then. No sign that somebody is there. */
async function read(all) {
  const headers = { 'x-skinlink-by-itself': '1' };
  if (!all) headers['x-skinlink-keeps'] = 'visits';
  const answer = await fetch(location.href, { headers }).catch(() => undefined);
  if (answer?.redirected) return location.reload();
  const text = answer?.ok && await answer.text().catch(() => undefined);
  if (!text) return;
  const fresh = new DOMParser().parseFromString(text, 'text/html').querySelector('main');
  const held = document.activeElement?.getAttribute('href');
  if (names(main) && names(main) === names(fresh)) {
    const old = parts(main);
    parts(fresh).forEach((part, at) => {
      const now = said(part);
      if (part.hidden || now === shown.get(old[at])) return;
      shown.set(part, now);
      old[at].replaceWith(part);
    });
  } else if (all) {
    main.replaceChildren(...fresh.childNodes);
    note();
  } else {
    // A part came or went: the places of all of them are drawn anew.
    return read(true);
  }
  // Whoever goes by the keyboard stays where they were.
  if (held && !main.contains(document.activeElement)) {
    [...main.querySelectorAll('a')].find((link) => link.getAttribute('href') === held)?.focus({ preventScroll: true });
  }
}

function rows({ at, head, rows, order }) {
  const body = main.querySelector('.chain tbody');
  // The first store of all: the table itself is not there yet.
  if (!body) return rows.length ? again() : undefined;
  if (head) main.querySelector('[data-head]').innerHTML = head;
  main.querySelector('[data-at]').textContent = at;
  const find = (store) => body.querySelector(`[data-store="${store}"]`);
  const box = document.createElement('tbody');
  for (const [store, html] of rows) {
    box.innerHTML = html;
    const fresh = box.firstElementChild;
    const shown = find(store);
    if (shown?.outerHTML === fresh.outerHTML) continue;
    const focused = shown?.contains(document.activeElement);
    fresh.classList.add('news');
    fresh.addEventListener('animationend', () => fresh.classList.remove('news'));
    if (shown) shown.replaceWith(fresh);
    else body.append(fresh);
    if (focused) fresh.querySelector('a').focus({ preventScroll: true });
  }
  if (!order) return;
  const wanted = new Set(order);
  for (const row of [...body.children]) if (!wanted.has(row.dataset.store)) row.remove();
  order.forEach((store, place) => {
    const row = find(store);
    if (row && body.children[place] !== row) body.insertBefore(row, body.children[place]);
  });
}

if (main) note();
if (main?.dataset.live) listen(main.dataset.live, { rows });
if (main?.dataset.again) listen(main.dataset.again, { changed: again });
