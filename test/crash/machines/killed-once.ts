import { join } from 'node:path';
import type { Failpoint } from '../../../src/io/failpoint.ts';
import { silentLogger } from '../../../src/io/logger.ts';
import { openQueueManager } from '../../../src/operations/open-queue-manager.ts';
import type { QueueManager } from '../../../src/queues/queue-manager.ts';
import { browseAll } from '../../support/browse-all.ts';
import { type End, LifeProcess } from '../life-process.ts';
import { readContents } from './contents.ts';
import { freePlace, type Place } from './free-place.ts';
import type { SendingMachineSettings } from './sending-machine.ts';
import { untilQuiet } from './until-quiet.ts';
import { type Machine, peerOf, QUEUES } from './workload.ts';

/** Two machines, of which one is a process that dies once; the other lives in this process. */
export class KilledOnce implements AsyncDisposable {
  readonly #root: string;
  readonly #dying: Machine;
  readonly #places: Record<Machine, Place>;
  readonly #ids: readonly string[];
  #other: QueueManager | undefined;
  #life: LifeProcess | undefined;

  private constructor(root: string, dying: Machine, ids: readonly string[], places: Record<Machine, Place>) {
    this.#root = root;
    this.#dying = dying;
    this.#ids = ids;
    this.#places = places;
  }

  /** @param ids - what the dying machine sends in its first life */
  static async begin(root: string, dying: Machine, ids: readonly string[] = []): Promise<KilledOnce> {
    const story = new KilledOnce(root, dying, ids, { alpha: await freePlace(), beta: await freePlace() });
    const machine = peerOf(dying);
    story.#other = await openQueueManager({
      directory: join(root, machine),
      machine,
      listen: story.#places[machine],
      machines: { [dying]: story.#placeOf(dying) },
      logger: silentLogger,
    });
    await story.#other.declareQueue(QUEUES.done);
    return story;
  }

  /** The machine that lives on. */
  get other(): QueueManager {
    if (this.#other === undefined) throw new Error('the story has ended');
    return this.#other;
  }

  /** The first life, to its death. */
  async dieAt(failpoint: Failpoint, { passage = 1, work = async () => {} }: DyingOptions = {}): Promise<End> {
    const life = this.#start(this.#ids, { POSTHORN_FAILPOINT: `${failpoint}:${passage}` });
    await life.ready;
    await work();
    return life.ended;
  }

  /** The second life, until nothing is on its way between the two. */
  async liveOn(): Promise<void> {
    const life = this.#start([]);
    await life.ready;
    await untilQuiet([join(this.#root, 'alpha'), join(this.#root, 'beta')]);
    life.askToEnd();
    await life.ended;
  }

  /** Ids in a place of the dead machine, in order. */
  async foundAtTheDead(place: string): Promise<string[]> {
    const contents = await readContents(join(this.#root, this.#dying));
    return (contents.get(place) ?? []).map(({ id }) => id);
  }

  /** Ids in the queue `done` of the machine that lives on, in order. */
  async doneAtTheOther(): Promise<string[]> {
    return (await browseAll(this.other, QUEUES.done)).map(({ id }) => id);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#life?.kill();
    await this.#life?.ended;
    await this.#other?.close();
  }

  #placeOf(machine: Machine): string {
    const { address, port } = this.#places[machine];
    return `${address}:${port}`;
  }

  #start(ids: readonly string[], environment: Readonly<Record<string, string>> = {}): LifeProcess {
    const settings: SendingMachineSettings = {
      machine: this.#dying,
      directory: join(this.#root, this.#dying),
      place: this.#places[this.#dying],
      peer: this.#placeOf(peerOf(this.#dying)),
      ids,
    };
    this.#life = new LifeProcess('machines/sending-machine.ts', [JSON.stringify(settings)], { environment });
    return this.#life;
  }
}

export interface DyingOptions {
  readonly passage?: number;
  /** Done when the process runs. */
  readonly work?: () => Promise<void>;
}
