// Photographs come as full-resolution stills from the system's camera. The picture goes up as it is.
import { call, toast, say, refresh } from './base.js';

/** The two anchors when the face fills the framing guide, as shares of width and height, in pixels of this picture. */
async function anchors(file, guide) {
  const picture = await createImageBitmap(file, { imageOrientation: 'from-image' });
  const points = guide.split(',').map(Number);
  const pixels = points.map((share, at) => Math.round(share * (at % 2 ? picture.height : picture.width)));
  picture.close();
  return pixels.join(',');
}

export async function send(input) {
  const [file] = input.files;
  if (!file) return;
  const shot = input.closest('.shot');
  const { visit, phase, view, guide } = input.dataset;
  shot.setAttribute('aria-busy', 'true');
  toast(say('正在保存照片…', 'Saving the photograph…'));
  try {
    const where = await anchors(file, guide).catch(() => '');
    const query = new URLSearchParams({ phase, view, light: 'white', camera: navigator.platform || 'camera' });
    if (where) query.set('anchors', where);
    const kept = await call('POST', `/api/v1/visits/${visit}/captures?${query}`, { body: file, version: document.body.dataset.version });
    const advice = kept.advice.map((a) => say(a.zh, a.en)).join(say('；', '; '));
    toast(advice || say('照片已保存', 'Photograph saved'), advice !== '');
  } catch (refused) {
    toast(refused.message, true);
  } finally {
    shot.removeAttribute('aria-busy');
    input.value = '';
    delete input.dataset.busy;
    await refresh();
  }
}
