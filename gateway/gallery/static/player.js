// Highlight the segment of the transcript that is playing, and seek to a segment that is clicked.

const player = document.querySelector('[data-player]');
const media = player.querySelector('audio, video');
const segments = [...player.querySelectorAll('[data-start]')];
let current = null;

function highlightCurrent() {
  const now = media.currentTime + 0.05;
  const segment = segments.findLast((each) => Number(each.dataset.start) <= now) ?? null;
  if (segment === current) return;
  current?.removeAttribute('aria-current');
  segment?.setAttribute('aria-current', 'true');
  current = segment;
  if (segment && !media.paused) segment.scrollIntoView({ block: 'center', behavior: matchMedia('(prefers-reduced-motion: reduce)').matches ? 'auto' : 'smooth' });
}

const play = () => media.play().catch(() => {}); // some browsers refuse before the first click
function seek(seconds) {
  media.currentTime = seconds;
  play();
}

media.addEventListener('timeupdate', highlightCurrent);
media.addEventListener('seeked', highlightCurrent);
segments.forEach((segment) => segment.addEventListener('click', () => seek(Number(segment.dataset.start))));
player.querySelectorAll('[data-seek]').forEach((frame) => frame.addEventListener('click', () => seek(Number(frame.dataset.seek))));
player.addEventListener('keydown', (event) => {
  const index = segments.indexOf(event.target);
  const next = { ArrowDown: segments[index + 1], ArrowUp: segments[index - 1] }[event.key];
  if (index >= 0 && next) { event.preventDefault(); next.focus(); }
});

if (player.dataset.at) {
  const start = () => seek(Number(player.dataset.at));
  if (media.readyState > 0) start(); else media.addEventListener('loadedmetadata', start, { once: true });
}
