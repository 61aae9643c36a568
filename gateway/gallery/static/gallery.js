// Shared by all pages: keyboard shortcuts, filters that submit themselves, translations. Other modules load where a page needs them.

const texts = JSON.parse(document.getElementById('texts').textContent);
export const translate = (key, values = {}) =>
  Object.entries(values).reduce((text, [name, value]) => text.replaceAll(`{${name}}`, value), texts[key] ?? key);

const announcement = document.querySelector('.announce');
let clearTimer;
/** Show a text for four seconds; screen readers read it out. */
export function announce(text) {
  announcement.textContent = text;
  clearTimeout(clearTimer);
  clearTimer = setTimeout(() => { announcement.textContent = ''; }, 4000);
}

/** POST form fields to the gateway and return the JSON; throws an Error whose message can be shown. */
export async function post(address, fields) {
  const answer = await fetch(address, { method: 'POST', body: new URLSearchParams(fields), headers: { Accept: 'application/json' } });
  const body = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(body.error ?? translate('It did not work: try again.'));
  return body;
}

const isTextField = (element) => element.matches('input:not([type=radio],[type=checkbox],[type=range]), textarea, select, [contenteditable]');

/** Move the focus between cards; returns whether it moved. */
function moveInGrid(key) {
  const cards = [...document.querySelectorAll('[data-grid] a.face')];
  const index = cards.indexOf(document.activeElement);
  if (!cards.length) return false;
  if (index < 0) { cards[0].focus(); return true; }
  const columns = cards.filter((card) => card.offsetTop === cards[index].offsetTop && card.getBoundingClientRect().top === cards[index].getBoundingClientRect().top).length;
  const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns };
  const target = cards[index + steps[key]];
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
    if (isTextField(event.target)) event.target.blur();
    else if (document.body.classList.contains('reviewing') || document.querySelector('.detail')) history.length > 1 ? history.back() : location.assign('/');
    else if (location.search && location.pathname === '/') location.assign('/');
    return;
  }
  if (isTextField(event.target)) {
    if (event.key === 'ArrowDown' && event.target === search && moveInGrid(event.key)) event.preventDefault();
    return;
  }
  if (event.key === '/') {
    event.preventDefault();
    if (search) { search.focus(); search.select(); } else location.assign('/');
  } else if (event.key.startsWith('Arrow') && !event.target.matches('input, video, audio') && moveInGrid(event.key)) event.preventDefault();
});

/** Give pictures of at most 160 pixels the class `small`, so that they are centred instead of enlarged. */
function markIfSmall(image) {
  const update = () => image.classList.toggle('small', image.naturalWidth > 0 && Math.max(image.naturalWidth, image.naturalHeight) <= 160 && !image.closest('.family, .strip, .chip, .start'));
  if (image.complete) update();
  image.addEventListener('load', update);
}
export const markSmallPictures = (root = document) => root.querySelectorAll('.face img, .whole img').forEach(markIfSmall);
markSmallPictures();

document.querySelector('[data-filters]')?.addEventListener('change', (event) => {
  if (event.target.id !== 'q') event.currentTarget.requestSubmit();
});
document.querySelector('[data-filters]')?.addEventListener('submit', (event) => {
  // Leave empty fields out of the address.
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
  markSmallPictures();
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

// After a link from another site the browser withholds the SameSite cookie, so a signed-in person sees the form: request the page again.
const signInForm = document.querySelector('form[action="/sign-in"]');
if (signInForm && document.referrer && new URL(document.referrer).origin !== location.origin) {
  const back = signInForm.elements.back.value;
  fetch(location.href, { redirect: 'manual' }).then((answer) => { if (answer.type === 'opaqueredirect') location.replace(back); });
}

const modules = { '[data-player]': './player.js', '[data-review]': './review.js', '[data-labelling]': './labelling.js', '[data-job]': './job.js', '[data-upload]': './upload.js' };
const imports = Object.entries(modules).filter(([selector]) => document.querySelector(selector)).map(([, module]) => import(module));
Promise.all(imports).then(() => { document.documentElement.dataset.ready = ''; }); // tests wait for this: the handlers are installed
