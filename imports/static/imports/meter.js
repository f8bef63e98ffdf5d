// How fast it goes and how long it still takes; figures as people read them.

const WINDOW_MS = 8000;

/** Rate over the last seconds, from how many bytes are done at which time. */
export class Meter {
  constructor(total, done = 0) {
    this.total = total;
    this.samples = [{ at: performance.now(), done }];
  }

  at(done) {
    const now = performance.now();
    this.samples.push({ at: now, done });
    while (this.samples.length > 2 && now - this.samples[0].at > WINDOW_MS) this.samples.shift();
    const first = this.samples[0];
    const seconds = (now - first.at) / 1000;
    const rate = seconds > 0.3 ? Math.max(0, (done - first.done) / seconds) : 0;
    return { rate, left: rate ? (this.total - done) / rate : 0 };
  }
}

export function humanBytes(size) {
  let amount = size;
  for (const unit of ["B", "KiB", "MiB", "GiB"]) {
    if (amount < 1024) return unit === "B" ? `${Math.round(amount)} B` : `${amount.toFixed(1)} ${unit}`;
    amount /= 1024;
  }
  return `${amount.toFixed(1)} TiB`;
}

export function humanSeconds(duration) {
  if (duration < 1) return "under 1 s";
  const seconds = Math.floor(duration);
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  if (hours) return `${hours} h ${minutes % 60} min`;
  return minutes ? `${minutes} min ${seconds % 60} s` : `${seconds} s`;
}
