// Pages with a list and taps: the day, a customer, the staff.
import { call, finder, follow, refresh, say, toast } from './base.js';

let due;
function soon() {
  clearTimeout(due);
  due = setTimeout(refresh, 250);
}
if (document.getElementById('day')) {
  follow('', (kind) => { if (kind !== 'repeat') soon(); }, soon);
  // Waiting times grow by themselves.
  setInterval(soon, 60000);
}

const list = document.getElementById('found');
finder(document.getElementById('search'), list, (customer) => Object.assign(document.createElement('a'), { className: 'button', href: `/customer/${customer.id}` }));

document.addEventListener('click', async (event) => {
  const button = event.target.closest('button');
  if (!button) return;
  const { post, body, ask, then, seat, chair, edit } = button.dataset;
  try {
    if (post) {
      if (ask && !confirm(ask)) return;
      button.disabled = true;
      await call('POST', post, { body: body ? JSON.parse(body) : {} });
      if (then) location.href = then;
      else if (document.getElementById('day')) await refresh();
      else location.reload();
    } else if (seat) {
      button.disabled = true;
      await call('POST', '/api/v1/visits', { body: { customer: seat, station: chair } });
      location.href = `/station/${encodeURIComponent(chair)}`;
    } else if (edit) {
      const form = document.getElementById('staff-form');
      form.elements.id.value = edit;
      form.elements.name.value = button.dataset.name;
      form.elements.role.value = button.dataset.role;
      form.elements.pin.focus();
    }
  } catch (refused) {
    toast(refused.message, { bad: true });
    button.disabled = false;
    if (document.getElementById('day')) await refresh();
  }
});

document.getElementById('record')?.addEventListener('submit', async (event) => {
  event.preventDefault();
  const page = document.querySelector('[data-customer]').dataset;
  // Only what was changed here: another tablet may have written the rest meanwhile.
  const was = (field) => (field.options ? [...field.options].find((option) => option.defaultSelected)?.value ?? '' : field.defaultValue);
  const written = [...event.target.elements].filter((field) => field.name && (!page.customer || field.value !== was(field)));
  const fields = Object.fromEntries(written.map((field) => [field.name, field.value]));
  if ('course_total' in fields) fields.course_total = Number(fields.course_total || 0);
  try {
    if (!page.customer) {
      // Kept at once: a second try after a refusal must not make a second person.
      page.customer = (await call('POST', '/api/v1/customers', { body: { name: fields.name, phone: fields.phone } })).id;
    }
    const id = page.customer;
    await call('POST', `/api/v1/customers/${id}/save`, { body: fields });
    location.href = `/customer/${id}`;
  } catch (refused) {
    toast(refused.message, { bad: true });
  }
});

document.getElementById('staff-form')?.addEventListener('submit', async (event) => {
  event.preventDefault();
  const fields = Object.fromEntries(new FormData(event.target));
  if (!fields.pin) delete fields.pin;
  try {
    await call('POST', '/api/v1/staff', { body: fields });
    toast(say('已保存', '已儲存', 'Saved'));
    location.reload();
  } catch (refused) {
    toast(refused.message, { bad: true });
  }
});

document.getElementById('offer')?.addEventListener('submit', async (event) => {
  event.preventDefault();
  const shown = document.getElementById('offered');
  try {
    const { code } = await call('POST', '/api/v1/tablets', { body: Object.fromEntries(new FormData(event.target)) });
    shown.textContent = `${shown.dataset.says} ${code.slice(0, 4)} ${code.slice(4)}`;
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
