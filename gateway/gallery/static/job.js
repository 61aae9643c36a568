// Fetch the pictures of a job again whenever the server sends an event about it.

import { followJob, get } from './events.js';
import { announce, markSmallPictures } from './gallery.js';

const container = document.querySelector('[data-job]');
const address = `/make/${container.dataset.job}/pictures?${container.dataset.query}`;
const MIN_INTERVAL = 600; // milliseconds between two requests
let busy = false;
let again = false;

async function refresh() {
  if (busy) { again = true; return; }
  busy = true;
  do {
    again = false;
    const answer = await get(address);
    if (answer?.ok) replacePictures(answer.text, answer.headers.get('x-ended') === 'yes');
    await new Promise((done) => { setTimeout(done, MIN_INTERVAL); });
  } while (again);
  busy = false;
}

function replacePictures(html, ended) {
  const known = new Set([...container.querySelectorAll('[data-artifact]')].map((each) => each.dataset.artifact));
  const focused = document.activeElement?.closest('[data-artifact]')?.dataset.artifact;
  const fresh = document.createElement('template');
  fresh.innerHTML = html;
  for (const card of fresh.content.querySelectorAll('[data-artifact]')) card.classList.toggle('new', !known.has(card.dataset.artifact));
  container.replaceChildren(fresh.content);
  markSmallPictures(container);
  if (focused) container.querySelector(`[data-artifact="${focused}"] a`)?.focus();
  if (ended && !('ended' in container.dataset)) {
    container.dataset.ended = '';
    stop();
    announce(container.querySelector('[data-state]').textContent);
  }
}

const stop = 'ended' in container.dataset ? null : followJob(container.dataset.job, refresh, refresh);
