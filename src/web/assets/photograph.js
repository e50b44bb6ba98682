// Photographs go up as they are, from the camera or chosen as a file.
import { call, refresh, say, toast, told } from './base.js';

/** The two anchors when the face fills the framing guide, as shares of width and height, in pixels of this picture. */
async function anchors(file, guide) {
  const picture = await createImageBitmap(file, { imageOrientation: 'from-image' });
  const points = guide.split(',').map(Number);
  const pixels = points.map((share, at) => Math.round(share * (at % 2 ? picture.height : picture.width)));
  picture.close();
  return pixels.join(',');
}

/** Keeps one photograph of a view; tells what the gates said about it. */
export async function keep(file, { visit, phase, view, guide }, camera) {
  toast(say('正在保存照片…', '正在儲存照片…', 'Saving the photograph…'));
  try {
    const where = await anchors(file, guide).catch(() => '');
    const query = new URLSearchParams({ phase, view, light: 'white', camera: (camera || navigator.platform || 'camera').slice(0, 80) });
    if (where) query.set('anchors', where);
    const up = () => call('POST', `/api/v1/visits/${visit}/captures?${query}`, { body: file, version: document.body.dataset.version });
    // A photograph overwrites nothing: where the visit changed meanwhile it is kept all the same.
    const kept = await up().catch(async (refused) => {
      if (refused.what !== 'stale') throw refused;
      await refresh();
      return up();
    });
    const advice = kept.advice.map(told).join(say('；', '；', '; '));
    toast(advice || say('照片已保存', '照片已儲存', 'Photograph saved'), { bad: advice !== '' });
  } catch (refused) {
    toast(refused.message, { bad: true });
  }
  await refresh();
}

/** The file that was chosen in `input`. */
export async function send(input) {
  const [file] = input.files;
  if (!file) return;
  const shot = input.closest('.shot');
  shot.setAttribute('aria-busy', 'true');
  delete input.dataset.busy;
  await keep(file, input.dataset);
  input.value = '';
}
