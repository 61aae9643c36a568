// Files on their way: each with its own progress, a few at a time, and one sentence when it is not taken.

import { announce, say } from './gallery.js';

const AT_ONCE = 3;
const form = document.querySelector('[data-upload]');
const list = document.querySelector('[data-files]');
const dialog = document.querySelector('[data-upload-dialog]');
const queue = [];
let running = 0;

function line(file) {
  const item = document.createElement('li');
  const name = Object.assign(document.createElement('span'), { className: 'name', textContent: file.name });
  const fate = Object.assign(document.createElement('span'), { className: 'fate', textContent: say('waiting') });
  const bar = Object.assign(document.createElement('progress'), { max: 1, value: 0 });
  bar.setAttribute('aria-label', file.name);
  item.append(name, fate, bar);
  list.append(item);
  return { item, name, fate, bar };
}

function end(shown, status, sentence, artifact) {
  shown.item.className = status;
  shown.bar.remove();
  shown.fate.textContent = sentence;
  if (!artifact) return;
  const link = Object.assign(document.createElement('a'), { href: `/artifacts/${artifact}`, textContent: shown.name.textContent });
  shown.name.replaceChildren(link);
}

function send({ file, shown }) {
  const request = new XMLHttpRequest(); // fetch tells nothing of how far an upload is
  const body = new FormData();
  for (const label of form.elements.labels.value.split(',')) if (label.trim()) body.append('label', label.trim());
  body.append('file', file);
  request.open('POST', '/api/artifacts');
  request.responseType = 'json';
  request.upload.onprogress = (event) => {
    shown.bar.value = event.loaded / event.total;
    shown.fate.textContent = `${Math.round((100 * event.loaded) / event.total)} %`;
  };
  request.onloadend = () => {
    if (request.status === 202) follow(request.response.id, shown);
    else done(shown, 'rejected', request.response?.error ?? say('It did not arrive: is the gateway still there?'));
  };
  request.send(body);
}

/** Wait until the file is taken in, and say what became of it. */
function follow(job, shown) {
  shown.fate.textContent = say('being taken in');
  shown.bar.removeAttribute('value');
  const events = new EventSource(`/api/jobs/${job}/events`);
  events.addEventListener('job', async (event) => {
    const state = JSON.parse(event.data);
    if (!['completed', 'failed', 'refused', 'cancelled'].includes(state.state)) return;
    events.close();
    const answer = await fetch(`/api/jobs/${job}/result`).catch(() => null);
    const result = await answer?.json().catch(() => null);
    const [item] = result?.items ?? [];
    if (item) done(shown, item.status, item.reason ?? say(item.status), item.artifact);
    else done(shown, 'rejected', state.message ?? result?.error ?? say('It did not work: try again.'));
  });
}

function done(shown, ...fate) {
  end(shown, ...fate);
  running -= 1;
  next();
}

function next() {
  while (running < AT_ONCE && queue.length) { running += 1; send(queue.shift()); }
  if (!running && list.children.length) announce(say('All files are done.'));
}

function take(files) {
  for (const file of files) queue.push({ file, shown: line(file) });
  next();
}

function takeChosen() {
  take(form.elements.files.files);
  form.elements.files.value = '';
}

form.addEventListener('submit', (event) => event.preventDefault());
form.elements.files.addEventListener('change', takeChosen);
takeChosen(); // what was chosen before this script came
addEventListener('dragover', (event) => { event.preventDefault(); document.body.classList.add('dropping'); });
addEventListener('dragleave', (event) => { if (!event.relatedTarget) document.body.classList.remove('dropping'); });
addEventListener('drop', (event) => {
  event.preventDefault();
  document.body.classList.remove('dropping');
  if (!event.dataTransfer.files.length) return;
  if (dialog && !dialog.open) dialog.showModal();
  take(event.dataTransfer.files);
});
// What came in shall be seen.
dialog?.addEventListener('close', () => { if (list.querySelector('.stored, .duplicate')) location.assign('/'); });
