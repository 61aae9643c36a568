// Select or reject, one picture after the other; each choice is stored at once as a label.

import { announce, post, say, settleAll } from './gallery.js';

const room = document.querySelector('[data-review]');
const stage = room.querySelector('[data-current]');
const image = stage.querySelector('img');
const verdict = room.querySelector('[data-verdict]');
const strip = [...room.querySelectorAll('.strip button')];
let at = 0;

function show(number) {
  at = Math.min(Math.max(number, 0), strip.length - 1);
  const chosen = strip[at];
  strip.forEach((each) => each.removeAttribute('aria-current'));
  chosen.setAttribute('aria-current', 'true');
  chosen.scrollIntoView({ block: 'nearest', inline: 'center' });
  stage.href = `/artifacts/${chosen.dataset.artifact}`;
  image.classList.remove('small');
  image.src = chosen.dataset.preview;
  image.alt = chosen.dataset.name;
  if (strip[at + 1]) new Image().src = strip[at + 1].dataset.preview;
  tell();
}

function tell() {
  const count = (what) => strip.filter((each) => each.dataset.verdict === what).length;
  const now = strip[at].dataset.verdict;
  verdict.hidden = !now;
  verdict.className = `verdict ${now}`;
  verdict.textContent = now === 'selected' ? say('Selected') : say('Rejected');
  room.querySelector('[data-tally]').textContent = say('{at} of {all} · {selected} selected · {rejected} rejected', {
    at: at + 1, all: strip.length, selected: count('selected'), rejected: count('rejected'),
  });
}

async function choose(what) {
  const chosen = strip[at];
  const before = chosen.dataset.verdict;
  chosen.dataset.verdict = what;
  tell();
  if (what && at + 1 < strip.length) show(at + 1);
  try {
    await post(`/artifacts/${chosen.dataset.artifact}/verdict`, { verdict: what });
    if (what && strip.every((each) => each.dataset.verdict)) announce(say('Every picture is reviewed.'));
  } catch (error) {
    chosen.dataset.verdict = before;
    tell();
    announce(error.message);
  }
}

room.addEventListener('click', (event) => {
  const button = event.target.closest('button');
  if (button?.dataset.artifact) show(strip.indexOf(button));
  else if (button) choose(button.dataset.choose);
});
addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const act = {
    s: () => choose('selected'), x: () => choose('rejected'), u: () => choose(''),
    ArrowRight: () => show(at + 1), ArrowLeft: () => show(at - 1),
  }[event.key];
  if (act) { event.preventDefault(); act(); }
});
settleAll();
tell();
