import { EverfullError } from '../../base/mod.ts';
import { MemoryStore } from '../../store/mod.ts';

/** A store in memory that writes down what is put, and fails or waits where a test says so. */
export class WatchedStore extends MemoryStore {
  /** `begin NAME` and `end NAME` of each put. */
  readonly log: string[] = [];
  /** How many puts were begun. */
  puts = 0;
  /** The put of this number fails, without an effect. */
  failAt: number | undefined;
  /** Puts wait for it. */
  gate: (name: string) => Promise<void> = () => Promise.resolve();
  /** How many puts are under way. */
  underWay = 0;

  override async putIfAbsent(name: string, parts: readonly Uint8Array[]): Promise<void> {
    const number = ++this.puts;
    this.log.push(`begin ${name}`);
    this.underWay++;
    try {
      await this.gate(name);
      if (number === this.failAt)
        throw new EverfullError('io', `cannot put "${name}": this is number ${number}`, {
          context: { number },
        });
      await super.putIfAbsent(name, parts);
    } finally {
      this.underWay--;
    }
    this.log.push(`end ${name}`);
  }
}
