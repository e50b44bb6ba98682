// The report is complete without this; its times are shown in this place's own clock, and a link for the customer is made on
// demand.
import { call } from './base.js';

const button = document.querySelector('.share button');
button?.addEventListener('click', async () => {
  const place = document.querySelector('.qr');
  button.disabled = true;
  try {
    const link = await call('POST', `/api/v1/visits/${button.dataset.link}/link`, { body: {} });
    place.innerHTML = link.qr;
    const text = document.createElement('p');
    text.className = 'small';
    text.textContent = link.url;
    place.append(text);
  } catch (refused) {
    place.textContent = refused.message;
  } finally {
    button.disabled = false;
  }
});
