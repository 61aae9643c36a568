// The transcript follows the sound, and the sound jumps to what is clicked.

const player = document.querySelector('[data-player]');
const sound = player.querySelector('audio, video');
const lines = [...player.querySelectorAll('[data-start]')];
let current = null;

function follow() {
  const now = sound.currentTime + 0.05;
  const line = lines.findLast((each) => Number(each.dataset.start) <= now) ?? null;
  if (line === current) return;
  current?.removeAttribute('aria-current');
  line?.setAttribute('aria-current', 'true');
  current = line;
  if (line && !sound.paused) line.scrollIntoView({ block: 'center', behavior: matchMedia('(prefers-reduced-motion: reduce)').matches ? 'auto' : 'smooth' });
}

const play = () => sound.play().catch(() => {}); // a browser that wants a click first
function jump(seconds) {
  sound.currentTime = seconds;
  play();
}

sound.addEventListener('timeupdate', follow);
sound.addEventListener('seeked', follow);
lines.forEach((line) => line.addEventListener('click', () => jump(Number(line.dataset.start))));
player.addEventListener('keydown', (event) => {
  const at = lines.indexOf(event.target);
  const next = { ArrowDown: lines[at + 1], ArrowUp: lines[at - 1] }[event.key];
  if (at >= 0 && next) { event.preventDefault(); next.focus(); }
});

if (player.dataset.at) {
  const start = () => jump(Number(player.dataset.at));
  if (sound.readyState > 0) start(); else sound.addEventListener('loadedmetadata', start, { once: true });
}
