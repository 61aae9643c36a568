// Upload files, three at a time, and show the progress and the result of each.

import { followJob, get } from './events.js';
import { announce, translate } from './gallery.js';

const MAX_PARALLEL = 3;
const MAX_FAILURES = 7; // a minute of attempts
const form = document.querySelector('[data-upload]');
const list = document.querySelector('[data-files]');
const dialog = document.querySelector('[data-upload-dialog]');
const skippedLine = document.querySelector('[data-skipped]');
// What systems and programs leave in folders; the command line skips the same (gateway/cli/folders.py).
const JUNK = /^(?:\..*|(?:eh)?thumbs(?:_vista)?\.db|desktop\.ini|icon\r|~\$.*|.*~|.*\.(?:tmp|part|crdownload|download|swp))$/i;
const queue = [];
let skipped = 0;
let running = 0;

function addRow(file) {
  const item = document.createElement('li');
  const name = Object.assign(document.createElement('span'), { className: 'name', textContent: file.name });
  const status = Object.assign(document.createElement('span'), { className: 'fate', textContent: translate('waiting') });
  const bar = Object.assign(document.createElement('progress'), { max: 1, value: 0 });
  bar.setAttribute('aria-label', file.name);
  item.append(name, status, bar);
  list.append(item);
  return { item, name, status, bar };
}

function showResult(row, className, sentence, artifact) {
  row.item.className = className;
  row.bar.remove();
  row.status.textContent = sentence;
  if (!artifact) return;
  const link = Object.assign(document.createElement('a'), { href: `/artifacts/${artifact}`, textContent: row.name.textContent });
  row.name.replaceChildren(link);
}

function send({ file, row }) {
  const request = new XMLHttpRequest(); // fetch does not report the progress of an upload
  const body = new FormData();
  for (const label of form.elements.labels.value.split(',')) if (label.trim()) body.append('label', label.trim());
  body.append('file', file);
  request.open('POST', '/api/artifacts');
  request.responseType = 'json';
  request.upload.onprogress = (event) => {
    row.bar.value = event.loaded / event.total;
    row.status.textContent = `${Math.round((100 * event.loaded) / event.total)} %`;
  };
  request.onloadend = () => {
    if (request.status === 202) follow(request.response.id, row);
    else finish(row, 'rejected', request.response?.error ?? translate('It did not arrive: is the gateway still there?'));
  };
  request.send(body);
}

/** Wait for the job that ingests the file, and show its result. */
function follow(job, row) {
  row.status.textContent = translate('being taken in');
  row.bar.removeAttribute('value');
  const stop = followJob(job, async (state) => {
    if (!['completed', 'failed', 'refused', 'cancelled'].includes(state.state)) return;
    stop();
    const answer = await get(`/api/jobs/${job}/result`);
    const result = parse(answer?.text);
    const [item] = result?.items ?? [];
    if (item) finish(row, item.status, item.reason ?? translate(item.status), item.artifact);
    else finish(row, 'rejected', state.message ?? result?.error ?? translate('It did not work: try again.'));
  }, (failures) => {
    if (failures < MAX_FAILURES) return;
    stop();
    finish(row, 'rejected', translate('It did not work: try again.'));
  });
}

function parse(json) {
  try { return JSON.parse(json); } catch { return null; } // a proxy's page
}

function finish(row, ...result) {
  showResult(row, ...result);
  running -= 1;
  sendNext();
}

function sendNext() {
  while (running < MAX_PARALLEL && queue.length) { running += 1; send(queue.shift()); }
  if (!running && list.children.length) announce(translate('All files are done.'));
}

/** Queue files; of several, those that systems leave behind are skipped and counted. A single one is always sent. */
function enqueue(files) {
  const wanted = files.length > 1 ? [...files].filter((file) => !JUNK.test(file.name)) : [...files];
  skipped += files.length - wanted.length;
  skippedLine.hidden = !skipped;
  skippedLine.textContent = translate('Skipped, as systems leave them behind: {count}', { count: skipped });
  for (const file of wanted) queue.push({ file, row: addRow(file) });
  sendNext();
}

function enqueueChosen() {
  enqueue(form.elements.files.files);
  form.elements.files.value = '';
}

form.addEventListener('submit', (event) => event.preventDefault());
form.elements.files.addEventListener('change', enqueueChosen);
enqueueChosen(); // files that were chosen before this script was loaded
addEventListener('dragover', (event) => { event.preventDefault(); document.body.classList.add('dropping'); });
addEventListener('dragleave', (event) => { if (!event.relatedTarget) document.body.classList.remove('dropping'); });
addEventListener('drop', (event) => {
  event.preventDefault();
  document.body.classList.remove('dropping');
  if (!event.dataTransfer.files.length) return;
  if (dialog && !dialog.open) dialog.showModal();
  enqueue(event.dataTransfer.files);
});
// Reload the library to show the new files.
dialog?.addEventListener('close', () => { if (list.querySelector('.stored, .duplicate')) location.assign('/'); });
