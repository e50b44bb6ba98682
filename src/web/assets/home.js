// The first page keeps itself up to date.
import { follow, refresh } from './base.js';

let due;
function soon() {
  clearTimeout(due);
  due = setTimeout(refresh, 300);
}
follow('', (kind) => { if (kind !== 'repeat') soon(); }, soon);
