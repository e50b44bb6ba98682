// The browser's camera: live bars for sharpness and light, the photograph taken before as a ghost, one shutter. A still at
// full resolution where the camera gives one; the video only guides.
import { say, toast } from './base.js';
import { keep } from './photograph.js';

const dialog = document.getElementById('camera');
const video = document.getElementById('camera-video');
const says = document.getElementById('camera-says');
const which = document.getElementById('camera-which');
const ghost = document.getElementById('camera-ghost');
const level = document.getElementById('ghost-level');
const small = document.createElement('canvas');
let stream;
let wanted;
let watching;
/** Counts how often a camera was asked for: an answer that comes late is of no use. */
let asked = 0;

/** Why there is no camera, in words, and what to do. */
export function unavailable() {
  if (navigator.mediaDevices?.getUserMedia) return '';
  return say(
    '这台平板打不开相机：浏览器只在可信的 HTTPS 地址上允许相机。请让技术人员安装门店证书；在此之前可以“选照片”。',
    '這台平板打不開相機：瀏覽器只在可信的 HTTPS 位址上允許相機。請讓技術人員安裝門店憑證；在此之前可以「選照片」。',
    'This tablet cannot open the camera: browsers allow it only on a trusted HTTPS address. Let the technician install the salon\'s certificate; until then choose a picture.',
  );
}

function refusal(fault) {
  if (fault.name === 'NotAllowedError') return say('相机没有得到允许。请在浏览器地址栏的相机图标里选择“允许”，再点一次。', '相機沒有得到允許。請在瀏覽器位址列的相機圖示裡選擇「允許」，再點一次。', 'The camera was not allowed. Allow it in the address bar, then tap again.');
  if (fault.name === 'NotFoundError' || fault.name === 'OverconstrainedError') return say('没有找到相机。请检查连线，或换一台相机。', '沒有找到相機。請檢查連線，或換一台相機。', 'No camera found. Check its cable, or choose another one.');
  return say('相机正被别的程序使用，或没有回应。关掉其他程序再试。', '相機正被別的程式使用，或沒有回應。關掉其他程式再試。', 'The camera is in use elsewhere or does not answer. Close the other program and try again.');
}

/** Opens the camera for one view. */
export async function open(view) {
  const why = unavailable();
  if (why) return toast(why, { bad: true, act: () => { location.href = '/trust'; }, label: say('怎么安装', '怎麼安裝', 'How to') });
  aim(view);
  dialog.showModal();
  await start(localStorage.getItem('camera') || undefined);
}

/** Which view comes next, and what to lay under it. */
function aim(view) {
  wanted = view;
  document.getElementById('camera-name').textContent = view.name;
  ghost.hidden = !view.ghost;
  document.getElementById('ghost-row').hidden = !view.ghost;
  if (view.ghost) ghost.src = `/api/v1/captures/${view.ghost}/picture`;
  ghost.style.opacity = level.value / 100;
}

async function start(id) {
  stop();
  // What the bars said is of another picture.
  for (const bar of ['camera-sharp', 'camera-light']) document.getElementById(bar).value = 0;
  says.textContent = say('正在打开相机…', '正在打開相機…', 'Opening the camera…');
  asked += 1;
  const mine = asked;
  try {
    const size = { width: { ideal: 4096 }, height: { ideal: 4096 } };
    const given = await navigator.mediaDevices.getUserMedia({ audio: false, video: id ? { ...size, deviceId: { ideal: id } } : { ...size, facingMode: 'environment' } });
    if (mine !== asked || !dialog.open) {
      // Closed, or another one chosen, while a person was still asked: it must not go on filming.
      given.getTracks().forEach((track) => track.stop());
      return;
    }
    stream = given;
  } catch (fault) {
    if (mine === asked) says.textContent = refusal(fault);
    return;
  }
  video.srcObject = stream;
  await video.play();
  const here = stream.getVideoTracks()[0].getSettings().deviceId;
  const cameras = (await navigator.mediaDevices.enumerateDevices()).filter((device) => device.kind === 'videoinput');
  which.replaceChildren(...cameras.map((device, at) => new Option(device.label || `${at + 1}`, device.deviceId, false, device.deviceId === here)));
  watching = setInterval(look, 160);
}

/** Sharpness (variance of the Laplacian at a fixed scale) and light of the middle of the picture, 0 to 100 each. */
export function measure(pixels, width, height) {
  const grey = new Float32Array(width * height);
  let sum = 0;
  let clipped = 0;
  for (let at = 0; at < grey.length; at += 1) {
    grey[at] = 0.299 * pixels[4 * at] + 0.587 * pixels[4 * at + 1] + 0.114 * pixels[4 * at + 2];
    sum += grey[at];
    if (grey[at] > 245 || grey[at] < 10) clipped += 1;
  }
  const mean = sum / grey.length;
  let square = 0;
  let count = 0;
  for (let y = 1; y < height - 1; y += 1) {
    for (let x = 1; x < width - 1; x += 1) {
      const at = y * width + x;
      const edge = 4 * grey[at] - grey[at - 1] - grey[at + 1] - grey[at - width] - grey[at + width];
      square += edge * edge;
      count += 1;
    }
  }
  const sharp = Math.min(100, 12 * Math.sqrt(square / Math.max(1, count)));
  const light = Math.max(0, 100 - Math.abs(mean - 140) * 0.9 - (300 * clipped) / grey.length);
  return { sharp, light, mean };
}

function look() {
  if (!video.videoWidth) return;
  const [width, height] = [160, Math.round((160 * video.videoHeight) / video.videoWidth)];
  small.width = width;
  small.height = height;
  const drawing = small.getContext('2d', { willReadFrequently: true });
  drawing.drawImage(video, 0, 0, width, height);
  const { sharp, light, mean } = measure(drawing.getImageData(0, 0, width, height).data, width, height);
  document.getElementById('camera-sharp').value = sharp;
  document.getElementById('camera-light').value = light;
  let words = say('对好虚线框，可以拍了', '對好虛線框，可以拍了', 'Fill the dashed line: ready');
  if (light < 40) words = mean < 140 ? say('太暗：开灯，或靠近光源', '太暗：開燈，或靠近光源', 'Too dark: more light') : say('太亮：避开直射光', '太亮：避開直射光', 'Too bright: away from direct light');
  else if (sharp < 35) words = say('不清晰：擦一下镜头，别动，等它对焦', '不清晰：擦一下鏡頭，別動，等它對焦', 'Not sharp: wipe the lens, hold still, let it focus');
  if (says.textContent !== words) says.textContent = words;
}

async function still() {
  const [track] = stream.getVideoTracks();
  if ('ImageCapture' in window) {
    try {
      return await new ImageCapture(track).takePhoto();
    } catch { /* a camera without stills: the frame is what there is */ }
  }
  const full = Object.assign(document.createElement('canvas'), { width: video.videoWidth, height: video.videoHeight });
  full.getContext('2d').drawImage(video, 0, 0);
  return new Promise((done) => { full.toBlob(done, 'image/jpeg', 0.95); });
}

function stop() {
  clearInterval(watching);
  stream?.getTracks().forEach((track) => track.stop());
  stream = undefined;
}
function close() {
  stop();
  dialog.close();
}

document.getElementById('camera-shoot')?.addEventListener('click', async (event) => {
  if (!stream) return;
  event.target.disabled = true;
  const { label } = stream.getVideoTracks()[0];
  try {
    const picture = await still();
    says.textContent = say('正在保存照片…', '正在儲存照片…', 'Saving the photograph…');
    await keep(picture, wanted, label);
    // On to the next view that has none yet, without another tap.
    const next = document.querySelector('.panel.shown [data-camera]:not([data-taken])');
    if (next) aim({ ...next.dataset });
    else close();
  } catch (fault) {
    says.textContent = refusal(fault);
  } finally {
    event.target.disabled = false;
  }
});
document.getElementById('camera-close')?.addEventListener('click', close);
// However it is closed.
dialog?.addEventListener('close', stop);
which?.addEventListener('change', () => {
  localStorage.setItem('camera', which.value);
  start(which.value);
});
level?.addEventListener('input', () => { ghost.style.opacity = level.value / 100; });
