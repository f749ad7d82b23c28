/**
 * Records the processes of a state folder in a file, so that no process outlives its sandbox: after a crash,
 * the next sandbox in the folder terminates the recorded processes.
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
   * Acquires the folder until this process exits, and terminates processes of a crashed owner. Returns their
   * number. Throws if another owner is running.
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

  /**
   * Terminates remaining processes and releases the folder. Synchronous, so that it works in an exit handler.
   */
  release(): void {
    if (this.released) return;
    this.released = true;
    process.removeListener('exit', this.atExit);
    this.endAll();
    rmSync(this.ownerFile, { force: true });
  }

  /**
   * A process that is recorded after the release is terminated immediately: it was started during the
   * shutdown.
   */
  add(pid: number): void {
    const identity = identityOf(pid);
    if (this.released) end(pid);
    else if (identity) appendFileSync(this.file, `${formatIdentity(identity)}\n`);
  }

  /** A folder outside of the state folder that is deleted with the processes. */
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

/** Child processes are group leaders, so that their own children are terminated too. */
function end(pid: number): void {
  for (const target of [-pid, pid]) {
    try {
      process.kill(target, 'SIGKILL');
    } catch {
      // already exited
    }
  }
}
