// Pages with a list and taps: the day, a customer, the staff.
import { call, finder, follow, meanwhile, refresh, say, toast } from './base.js';

let due;
function soon() {
  clearTimeout(due);
  due = setTimeout(refresh, 250);
}
if (document.getElementById('devices-page')) {
  // The technician's role hears no news of the day: the page looks for itself.
  setInterval(refresh, 5000);
}
if (document.getElementById('day') || document.getElementById('manager')) {
  follow('', (kind) => { if (kind !== 'repeat') soon(); }, soon);
  // Waiting times grow by themselves.
  setInterval(soon, 60000);
}

/** The gateway tells of a day before and after now; where midnight is, this place knows. */
function onlyToday() {
  const today = new Date().toDateString();
  for (const item of document.querySelectorAll('#day [data-of-day]')) {
    item.hidden = new Date(item.querySelector('time').dateTime).toDateString() !== today;
  }
  const shown = (css) => document.querySelectorAll(`#day ${css} > li:not([hidden])`).length;
  const nobody = document.querySelector('[data-nobody]');
  if (nobody) nobody.hidden = shown('.day') > 0;
  const missed = document.getElementById('missed');
  if (missed) {
    missed.hidden = shown('#missed > ul') === 0;
    missed.querySelector('[data-count]').textContent = shown('#missed > ul');
  }
}
onlyToday();
document.addEventListener('refreshed', onlyToday);

const list = document.getElementById('found');
finder(document.getElementById('search'), list, (customer) => Object.assign(document.createElement('a'), { className: 'button', href: `/customer/${customer.id}` }));

document.addEventListener('click', async (event) => {
  const button = event.target.closest('button');
  if (!button) return;
  const { post, body, ask, then, seat, chair, edit, undo } = button.dataset;
  const { version } = document.body.dataset;
  try {
    if (post) {
      if (ask && !confirm(ask)) return;
      button.disabled = true;
      await call('POST', post, { body: body ? JSON.parse(body) : {}, version });
      if (then) location.href = then;
      else if (document.querySelector('[data-live][id]')) await refresh();
      else location.reload();
      if (undo) {
        const back = () => call('POST', undo, { body: {}, version }).catch((refused) => toast(refused.message, { bad: true })).finally(refresh);
        toast(say('已更正', '已更正', 'Done'), { act: back, label: say('撤回', '撤回', 'Undo') });
      }
    } else if (seat) {
      button.disabled = true;
      await call('POST', '/api/v1/visits', { body: { customer: seat, station: chair } });
      location.href = `/station/${encodeURIComponent(chair)}`;
    } else if (edit) {
      const form = document.getElementById('staff-form');
      form.dataset.change = edit;
      form.elements.id.value = edit;
      // The number stands in records: it stays.
      form.elements.id.readOnly = true;
      form.elements.name.value = button.dataset.name;
      form.elements.role.value = button.dataset.role;
      const { fromHq } = button.dataset;
      // Headquarters names the person: only the PIN is the store's.
      form.elements.name.readOnly = fromHq !== undefined;
      form.elements.role.disabled = fromHq !== undefined;
      document.getElementById('staff-hq').hidden = fromHq === undefined;
      form.elements.pin.required = fromHq !== undefined;
      document.getElementById('staff-what').textContent = `${document.getElementById('staff-what').dataset.change} ${edit}`;
      document.getElementById('staff-new').hidden = false;
      form.elements.pin.focus();
    }
  } catch (refused) {
    const record = document.getElementById('record');
    if (record && refused.what === 'stale' && refused.current) takeOver(record, refused.current);
    toast(refused.message, { bad: true });
    button.disabled = false;
    if (document.getElementById('day')) await refresh();
  }
});

/** The record as the gateway drew it, in one field. */
const drawn = (field) => (field.options ? [...field.options].find((option) => option.defaultSelected)?.value ?? '' : field.defaultValue);
const labelOf = (field) => [...field.closest('label').childNodes].find((node) => node.nodeType === 3)?.textContent.trim() ?? field.name;
function drawAnew(field, text) {
  if (field.options) for (const option of field.options) option.defaultSelected = option.value === text;
  else field.defaultValue = text;
}

/** Another tablet wrote meanwhile: what it wrote is taken over, except where this one wrote too; there both are shown. */
function takeOver(form, current) {
  const theirs = { ...current, ...current.card };
  const changed = [];
  for (const field of form.elements) {
    if (!(field.name in theirs)) continue;
    const [was, now] = [drawn(field), String(theirs[field.name])];
    field.closest('label').querySelector('.meanwhile')?.remove();
    if (now === was) continue;
    changed.push(labelOf(field));
    const mine = field.value;
    drawAnew(field, now);
    if (mine === was || mine === now) field.value = now;
    else {
      field.value = mine;
      meanwhile(field, now);
    }
  }
  document.body.dataset.version = current.version;
  return changed;
}

document.getElementById('record')?.addEventListener('submit', async (event) => {
  event.preventDefault();
  const form = event.target;
  const page = document.querySelector('[data-customer]').dataset;
  // Only what was changed here.
  const written = [...form.elements].filter((field) => field.name && (!page.customer || field.value !== drawn(field)));
  const fields = Object.fromEntries(written.map((field) => [field.name, field.value]));
  if ('course_total' in fields) fields.course_total = Number(fields.course_total || 0);
  try {
    if (!page.customer) {
      // Kept at once: a second try after a refusal must not make a second person.
      const made = await call('POST', '/api/v1/customers', { body: { name: fields.name, phone: fields.phone } });
      page.customer = made.id;
      document.body.dataset.version = made.version;
    }
    const id = page.customer;
    await call('POST', `/api/v1/customers/${id}/save`, { body: fields, version: document.body.dataset.version });
    location.href = `/customer/${id}`;
  } catch (refused) {
    if (refused.what !== 'stale' || !refused.current) return toast(refused.message, { bad: true });
    const changed = takeOver(form, refused.current).join(say('、', '、', ', '));
    toast(say(`另一台平板刚改过：${changed}。请看一眼，再保存。`, `另一台平板剛改過：${changed}。請看一眼，再儲存。`, `Another tablet has just changed: ${changed}. Look at it, then save again.`), { bad: true, stays: true });
  }
  return undefined;
});

document.getElementById('staff-new')?.addEventListener('click', () => location.reload());
document.getElementById('staff-form')?.addEventListener('submit', async (event) => {
  event.preventDefault();
  const fields = Object.fromEntries(new FormData(event.target));
  const { change } = event.target.dataset;
  if (!fields.pin) delete fields.pin;
  if (change) delete fields.id;
  // Headquarters' affair: it may be longer than what is written here.
  if (event.target.elements.name.readOnly) delete fields.name;
  try {
    await call('POST', change ? `/api/v1/staff/${encodeURIComponent(change)}/save` : '/api/v1/staff', { body: fields });
    toast(say('已保存', '已儲存', 'Saved'));
    location.reload();
  } catch (refused) {
    toast(refused.message, { bad: true });
  }
});

document.addEventListener('submit', async (event) => {
  const form = event.target.closest('[data-calibrate]');
  if (!form) return;
  event.preventDefault();
  const { protocol, serial } = form.dataset;
  try {
    await call('POST', '/api/v1/devices/calibration', { body: { protocol, serial, day: form.querySelector('input').value } });
    toast(say('已保存', '已儲存', 'Saved'));
    await refresh();
  } catch (refused) {
    toast(refused.message, { bad: true });
  }
});

document.getElementById('offer')?.addEventListener('submit', async (event) => {
  event.preventDefault();
  const shown = document.getElementById('offered');
  try {
    const { code } = await call('POST', '/api/v1/tablets', { body: Object.fromEntries(new FormData(event.target)) });
    shown.textContent = `${shown.dataset.says} ${code.match(/.{4}/g).join(' ')}`;
  } catch (refused) {
    toast(refused.message, { bad: true });
  }
});

document.getElementById('enrol')?.addEventListener('submit', async (event) => {
  event.preventDefault();
  try {
    await call('POST', '/api/v1/enrolment', { body: Object.fromEntries(new FormData(event.target)) });
    location.href = '/';
  } catch (refused) {
    toast(refused.message, { bad: true });
  }
});
