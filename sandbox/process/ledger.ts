/**
 * The processes that were started on behalf of one state folder, in a file, so that
 * nothing outlives its sandbox: not after an exit, and not after a crash either,
 * because the next sandbox in the folder ends what it finds in the file.
 */
import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { formatIdentity, identityOf, parseIdentity, stillRuns } from './identity.js';

const FOLDER = 'folder ';

export class Ledger {
  private released = false;
  private readonly atExit = () => this.release();

  constructor(private readonly file: string) {
    mkdirSync(dirname(file), { recursive: true });
  }

  /**
   * Makes the folder this process's own, until it exits, and ends what a crashed
   * owner left. Returns how many processes that were. Throws when another owner runs.
   */
  claim(): number {
    const owner = existsSync(this.ownerFile) && parseIdentity(readFileSync(this.ownerFile, 'utf8'));
    if (owner && owner.pid !== process.pid && stillRuns(owner))
      throw new Error(
        `a sandbox runs in ${dirname(this.file)} already, as process ${owner.pid}; end it, or choose another --state-dir`,
      );
    const self = identityOf(process.pid);
    if (self) writeFileSync(this.ownerFile, formatIdentity(self));
    this.released = false;
    process.once('exit', this.atExit);
    return this.endAll();
  }

  /** Ends what still runs and gives the folder up. Synchronous, so that it works while the process exits. */
  release(): void {
    if (this.released) return;
    this.released = true;
    process.removeListener('exit', this.atExit);
    this.endAll();
    rmSync(this.ownerFile, { force: true });
  }

  /** What is added after the release ends at once: its start was under way while everything else was stopped. */
  add(pid: number): void {
    const identity = identityOf(pid);
    if (this.released) end(pid);
    else if (identity) appendFileSync(this.file, `${formatIdentity(identity)}\n`);
  }

  /** A folder outside of the state folder that is to go with the processes. */
  addFolder(path: string): void {
    if (!this.released) appendFileSync(this.file, `${FOLDER}${path}\n`);
  }

  private endAll(): number {
    if (!existsSync(this.file)) return 0;
    const lines = readFileSync(this.file, 'utf8').split('\n');
    const left = lines.flatMap((line) => parseIdentity(line) ?? []).filter(stillRuns);
    for (const { pid } of left) end(pid);
    for (const line of lines) {
      if (line.startsWith(FOLDER))
        rmSync(line.slice(FOLDER.length), { recursive: true, force: true, maxRetries: 5 });
    }
    rmSync(this.file);
    return left.length;
  }

  private get ownerFile(): string {
    return `${this.file}.owner`;
  }
}

/** Children are started as leaders of their own group, so that their children go too. */
function end(pid: number): void {
  for (const target of [-pid, pid]) {
    try {
      process.kill(target, 'SIGKILL');
    } catch {
      // gone already
    }
  }
}
