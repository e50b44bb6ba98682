// The page that guides the installation: the system this browser says it runs on is opened first.
import './base.js';

const says = `${navigator.userAgent} ${navigator.platform}`;
const touch = navigator.maxTouchPoints > 1;
// An iPad says it is a Mac that can be touched.
const system = /Android/.test(says) ? 'android' : /iPhone|iPad/.test(says) || (/Mac/.test(says) && touch) ? 'ios' : /Win/.test(says) ? 'windows' : '';
if (system) for (const way of document.querySelectorAll('[data-system]')) way.open = way.dataset.system === system;
const trusted = document.getElementById('trusted');
if (trusted && isSecureContext && navigator.mediaDevices?.getUserMedia) trusted.hidden = false;
