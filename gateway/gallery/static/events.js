// Follow a job: a stream of its events that breaks off, or that the server refuses for a while, is taken up again, and a
// request that nobody answers is made again.

const LONGEST_PAUSE = 32_000; // milliseconds
const TIMEOUT = 20_000; // milliseconds: a computer that slept, or a proxy, can lose a request

/**
 * Call `onJob` with each state of a job, and `onFailure`, if there is one, with the number of failures since the last
 * state. Returns a function that ends this.
 */
export function followJob(job, onJob, onFailure) {
  let events;
  let timer;
  let failures = 0;
  const stop = () => {
    events.close();
    clearTimeout(timer);
  };
  const open = () => {
    events = new EventSource(`/api/jobs/${job}/events`);
    events.addEventListener('job', (event) => {
      failures = 0;
      onJob(JSON.parse(event.data));
    });
    events.addEventListener('error', () => { // also the event that says why there are no more
      if (events.readyState === EventSource.CONNECTING) return; // the browser connects again by itself
      events.close();
      timer = setTimeout(open, Math.min(LONGEST_PAUSE, 1000 * 2 ** failures));
      failures += 1;
      onFailure?.(failures);
    });
  };
  open();
  return stop;
}

/** GET an address: `{ok, headers, text}`, or null without a connection. */
export async function get(address) {
  for (;;) {
    try {
      const answer = await fetch(address, { signal: AbortSignal.timeout(TIMEOUT) });
      return { ok: answer.ok, headers: answer.headers, text: await answer.text() };
    } catch (error) {
      if (error.name !== 'TimeoutError') return null;
    }
  }
}
