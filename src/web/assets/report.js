// The report is complete without this; its times are shown in this place's own clock, a link for the customer is made on demand,
// and mistakes are mended where they are found.
import { call, finder, refresh, say, toast } from './base.js';
import { keys } from './showing.js';

keys(() => {});

const { visit, customer, station } = document.querySelector('main.report').dataset;
const version = () => document.body.dataset.version;

/** Ends all links to the report, or makes a fresh one. */
async function share(button) {
  const place = document.querySelector('.qr');
  const { link, unlink, ask, done, none } = button.dataset;
  if (ask && !confirm(ask)) return;
  button.disabled = true;
  try {
    if (unlink) {
      const { ended } = await call('POST', `/api/v1/visits/${unlink}/unlink`, { body: {} });
      place.textContent = ended > 0 ? done : none;
    } else {
      const made = await call('POST', `/api/v1/visits/${link}/link`, { body: {} });
      place.innerHTML = made.qr;
      place.append(Object.assign(document.createElement('p'), { className: 'small', textContent: made.url }));
      if (made.waits) {
        place.append(Object.assign(document.createElement('p'), { textContent: place.dataset.waits }));
      }
    }
  } catch (refused) {
    place.textContent = refused.message;
  } finally {
    button.disabled = false;
  }
}

/** Runs a correction and says that it is done, with the way back. */
async function mend(path, body, back) {
  try {
    const now = await call('POST', path, { body, version: version() });
    // Restored, a visit that was open goes on at its chair.
    if (/\/visits\/[^/]+\/restore$/.test(path) && now.state === 'open') location.href = `/station/${encodeURIComponent(station)}`;
    await refresh();
    toast(say('已更正', '已更正', 'Done'), back && { act: back, label: say('撤回', '撤回', 'Undo') });
  } catch (refused) {
    await refresh();
    toast(refused.message, { bad: true });
  }
}

document.addEventListener('click', async (event) => {
  const button = event.target.closest('button');
  if (!button) return;
  const { link, unlink, mend: path, body, undo, undoBody, ask, place, was } = button.dataset;
  if (link || unlink) await share(button);
  else if (path) {
    if (ask && !confirm(ask)) return;
    await mend(path, body ? JSON.parse(body) : {}, undo && (() => mend(undo, undoBody ? JSON.parse(undoBody) : {})));
  } else if (place) {
    const region = button.closest('li').querySelector('select').value;
    if (region !== was) await mend(`/api/v1/readings/${place}/reassign`, { region });
  }
});

finder(document.getElementById('mend-search'), document.getElementById('mend-found'), (other) => {
  const button = document.createElement('button');
  button.addEventListener('click', () => {
    const to = (id) => mend(`/api/v1/visits/${visit}/reassign`, { customer: id, reason: 'wrong customer' }, id === customer ? undefined : () => to(customer));
    to(other.id);
  });
  return button;
});
