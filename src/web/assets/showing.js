// The keys of the customer's mirror on the pages of a visit: a code is typed, results are given to it, and it rests when the visit's
// pages are left.
import { call, toast } from './base.js';

const OWN = { 'x-skinlink': '1', 'content-type': 'application/json' };

/** `done` draws the page again. */
export function keys(done) {
  document.addEventListener('submit', async (event) => {
    const { mirrorPair, mirrorShow, of } = event.target.dataset;
    if (!mirrorPair && !mirrorShow) return;
    event.preventDefault();
    const fields = new FormData(event.target);
    const body = mirrorPair
      ? { code: fields.get('code'), lang: fields.get('lang') }
      : { visit: of, metrics: fields.getAll('metric'), photographs: fields.has('photographs') };
    try {
      await call('POST', `/api/v1/mirrors/${mirrorPair || mirrorShow}/${mirrorPair ? 'pair' : 'show'}`, { body });
      // What was typed is done with: the page draws what stands now.
      event.target.reset();
      await done();
    } catch (refused) {
      toast(refused.message, { bad: true });
    }
  });
  document.addEventListener('click', (event) => {
    const beside = document.querySelector('[data-beside]')?.dataset.beside;
    if (!beside || !event.target.closest('a[href="/"], a[href^="/login"]')) return;
    // Sent along while the page goes.
    fetch(`/api/v1/mirrors/${beside}/leave`, { method: 'POST', headers: OWN, body: '{}', keepalive: true }).catch(() => {});
  });
}

/** The report step is reached: its code comes onto the mirror. */
export async function reported(visit) {
  const mirror = document.querySelector('[data-mirror-report]')?.dataset.mirrorReport;
  if (!mirror) return;
  await call('POST', `/api/v1/mirrors/${mirror}/report`, { body: { visit } }).catch((refused) => toast(refused.message, { bad: true }));
}
