// Ask about one artifact after the other; each answer is stored at once, and a key gives it.

import { announce, post, translate } from './gallery.js';

const root = document.querySelector('[data-labelling]');
const form = root.querySelector('form');
const items = [...root.querySelectorAll('[data-item]')];
const back = root.querySelector('[data-back]');
let index = 0;

function show(number) {
  index = Math.min(Math.max(number, 0), items.length - 1);
  items.forEach((item, place) => { item.hidden = place !== index; });
  form.elements.artifact.value = items[index].dataset.item;
  back.hidden = !items.some((item) => item.dataset.answer);
  const done = items.filter((item) => item.dataset.answer).length;
  root.querySelector('[data-tally]').textContent = translate('{done} of {all} answered', { done, all: items.length });
}

async function answer(label) {
  if (!label && !items[index].dataset.answer) { show(index - 1); if (!items[index].dataset.answer) return; }
  const item = items[index];
  const before = item.dataset.answer ?? '';
  const tell = (text) => { item.dataset.answer = text; item.querySelector('[data-answer]').textContent = text && `→ ${text}`; };
  tell(label);
  show(label ? index + 1 : index);
  try {
    await post('/review/labels', { classifier: form.elements.classifier.value, artifact: item.dataset.item, label });
    if (items.every((each) => each.dataset.answer)) announce(translate('Everything is answered.'));
  } catch (error) {
    tell(before);
    show(items.indexOf(item));
    announce(error.message);
  }
}

form.addEventListener('submit', (event) => {
  event.preventDefault();
  if (event.submitter) answer(event.submitter.value);
});
addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches('input:not([type=hidden]), textarea, select')) return;
  const chosen = [...form.querySelectorAll('[data-key]')].find((button) => button.dataset.key === event.key);
  if (chosen) { event.preventDefault(); answer(chosen.value); }
  if (event.key === 'ArrowRight') show(index + 1);
  if (event.key === 'ArrowLeft') show(index - 1);
});
show(0);
