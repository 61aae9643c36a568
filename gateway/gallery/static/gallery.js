// What every page has: keys, filters that apply themselves, words in the person's language. The rest comes when a page needs it.

const words = JSON.parse(document.getElementById('words').textContent);
export const say = (key, values = {}) =>
  Object.entries(values).reduce((text, [name, value]) => text.replaceAll(`{${name}}`, value), words[key] ?? key);

const status = document.querySelector('.announce');
let hush;
export function announce(text) {
  status.textContent = text;
  clearTimeout(hush);
  hush = setTimeout(() => { status.textContent = ''; }, 4000);
}

/** POST a form's fields to this very gateway; throws an Error with one sentence. */
export async function post(address, fields) {
  const answer = await fetch(address, { method: 'POST', body: new URLSearchParams(fields), headers: { Accept: 'application/json' } });
  const body = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(body.error ?? say('It did not work: try again.'));
  return body;
}

const typing = (element) => element.matches('input:not([type=radio],[type=checkbox],[type=range]), textarea, select, [contenteditable]');

function moveInGrid(key) {
  const faces = [...document.querySelectorAll('[data-grid] a.face')];
  const at = faces.indexOf(document.activeElement);
  if (!faces.length) return false;
  if (at < 0) { faces[0].focus(); return true; }
  const across = faces.filter((face) => face.offsetTop === faces[at].offsetTop && face.getBoundingClientRect().top === faces[at].getBoundingClientRect().top).length;
  const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -across, ArrowDown: across };
  const target = faces[at + steps[key]];
  if (!target) return false;
  target.focus();
  target.scrollIntoView({ block: 'nearest' });
  return true;
}

addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  const search = document.getElementById('q');
  if (event.key === 'Escape') {
    if (document.querySelector('dialog[open]')) return;
    if (typing(event.target)) event.target.blur();
    else if (document.body.classList.contains('reviewing') || document.querySelector('.detail')) history.length > 1 ? history.back() : location.assign('/');
    else if (location.search && location.pathname === '/') location.assign('/');
    return;
  }
  if (typing(event.target)) {
    if (event.key === 'ArrowDown' && event.target === search && moveInGrid(event.key)) event.preventDefault();
    return;
  }
  if (event.key === '/') {
    event.preventDefault();
    if (search) { search.focus(); search.select(); } else location.assign('/');
  } else if (event.key.startsWith('Arrow') && !event.target.matches('input, video, audio') && moveInGrid(event.key)) event.preventDefault();
});

/** Pictures that are smaller than their place stand in its middle instead of being blown up. */
function settle(image) {
  const judge = () => image.classList.toggle('small', image.naturalWidth > 0 && Math.max(image.naturalWidth, image.naturalHeight) <= 160 && !image.closest('.family, .strip, .chip, .start'));
  if (image.complete) judge();
  image.addEventListener('load', judge);
}
export const settleAll = (root = document) => root.querySelectorAll('.face img, .whole img').forEach(settle);
settleAll();

document.querySelector('[data-filters]')?.addEventListener('change', (event) => {
  if (event.target.id !== 'q') event.currentTarget.requestSubmit();
});
document.querySelector('[data-filters]')?.addEventListener('submit', (event) => {
  // Addresses that a person can read: fields that say nothing stay out.
  for (const field of event.currentTarget.elements) if (field.name && !field.value) field.disabled = true;
});
addEventListener('pageshow', () => document.querySelectorAll('[data-filters] [disabled]').forEach((field) => { field.disabled = false; }));

document.addEventListener('click', async (event) => {
  const more = event.target.closest('[data-more]');
  if (!more || event.metaKey || event.ctrlKey) return;
  event.preventDefault();
  const page = new DOMParser().parseFromString(await (await fetch(more.href)).text(), 'text/html');
  const added = [...page.querySelectorAll('[data-grid] > li')];
  document.querySelector('[data-grid]').append(...added);
  settleAll();
  const next = page.querySelector('[data-more]');
  if (next) more.href = next.href; else more.parentElement.remove();
  added[0]?.querySelector('a').focus({ preventScroll: true });
});

document.querySelectorAll('form[data-ask]').forEach((form) => form.addEventListener('submit', (event) => {
  if (!form.dataset.sure && !confirm(form.dataset.ask)) event.preventDefault();
}));
document.querySelectorAll('form[data-once]').forEach((form) => form.addEventListener('submit', () => {
  form.querySelector('button.main').disabled = true;
}));
document.querySelectorAll('[data-dice]').forEach((dice) => {
  dice.hidden = false;
  dice.addEventListener('click', () => { document.getElementById(dice.dataset.dice).value = Math.floor(Math.random() * 100000); });
});

// Who comes by a link of another site has no cookie yet, and is at the door although signed in: ask again from here.
const door = document.querySelector('form[action="/sign-in"]');
if (door && document.referrer && new URL(document.referrer).origin !== location.origin) {
  const back = door.elements.back.value;
  fetch(location.href, { redirect: 'manual' }).then((answer) => { if (answer.type === 'opaqueredirect') location.replace(back); });
}

const needed = { '[data-player]': './player.js', '[data-review]': './review.js', '[data-job]': './job.js', '[data-upload]': './upload.js' };
const parts = Object.entries(needed).filter(([selector]) => document.querySelector(selector)).map(([, module]) => import(module));
Promise.all(parts).then(() => { document.documentElement.dataset.ready = ''; }); // from here on, keys and clicks do something
