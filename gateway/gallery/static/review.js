// Label pictures as selected or rejected, one after the other; each choice is stored at once.

import { announce, markSmallPictures, post, translate } from './gallery.js';

const root = document.querySelector('[data-review]');
const link = root.querySelector('[data-current]');
const image = link.querySelector('img');
const verdict = root.querySelector('[data-verdict]');
const strip = [...root.querySelectorAll('.strip button')];
let index = 0;

function show(number) {
  index = Math.min(Math.max(number, 0), strip.length - 1);
  const chosen = strip[index];
  strip.forEach((each) => each.removeAttribute('aria-current'));
  chosen.setAttribute('aria-current', 'true');
  chosen.scrollIntoView({ block: 'nearest', inline: 'center' });
  link.href = `/artifacts/${chosen.dataset.artifact}`;
  image.classList.remove('small');
  image.src = chosen.dataset.preview;
  image.alt = chosen.dataset.name;
  if (strip[index + 1]) new Image().src = strip[index + 1].dataset.preview;
  updateStatus();
}

function updateStatus() {
  const count = (label) => strip.filter((each) => each.dataset.verdict === label).length;
  const now = strip[index].dataset.verdict;
  verdict.hidden = !now;
  verdict.className = `verdict ${now}`;
  verdict.textContent = now === 'selected' ? translate('Selected') : translate('Rejected');
  root.querySelector('[data-tally]').textContent = translate('{at} of {all} · {selected} selected · {rejected} rejected', {
    at: index + 1, all: strip.length, selected: count('selected'), rejected: count('rejected'),
  });
}

async function choose(label) {
  const chosen = strip[index];
  const before = chosen.dataset.verdict;
  chosen.dataset.verdict = label;
  updateStatus();
  if (label && index + 1 < strip.length) show(index + 1);
  try {
    await post(`/artifacts/${chosen.dataset.artifact}/verdict`, { verdict: label });
    if (label && strip.every((each) => each.dataset.verdict)) announce(translate('Every picture is reviewed.'));
  } catch (error) {
    chosen.dataset.verdict = before;
    updateStatus();
    announce(error.message);
  }
}

root.addEventListener('click', (event) => {
  const button = event.target.closest('button');
  if (button?.dataset.artifact) show(strip.indexOf(button));
  else if (button) choose(button.dataset.choose);
});
addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const action = {
    s: () => choose('selected'), x: () => choose('rejected'), u: () => choose(''),
    ArrowRight: () => show(index + 1), ArrowLeft: () => show(index - 1),
  }[event.key];
  if (action) { event.preventDefault(); action(); }
});
markSmallPictures();
updateStatus();
