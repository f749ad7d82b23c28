/**
 * The list of all PcfApis for one client: all rows at first, then the changed ones only. With thousands of PcfApis
 * the whole list is megabytes, and most changes concern one row.
 */
import type { PcfApi } from '../api/v1alpha1/pcfapi.js';
import { keyOf, versionOf } from '../runtime/store.js';
import type { Part } from './live-stream.js';
import type { DashboardSource } from './source.js';
import { type ListRow, listRow } from './view/page-view.js';

/** An update of the list. */
export interface ListUpdate {
  /** Whether `rows` are all rows. Otherwise the rows that changed. */
  full: boolean;
  rows: ListRow[];
  /** Keys of deleted PcfApis. */
  removed: string[];
  notices: string[];
  canAct: boolean;
}

export class ListPart implements Part {
  /** The objects that the client has. Cached objects never change, so identity decides. */
  private sent: Map<string, PcfApi> | undefined;

  /** `lastId`: the list that the client has from an earlier stream. */
  constructor(
    private readonly source: Pick<DashboardSource, 'pcfApis' | 'notices'>,
    private readonly canAct: boolean,
    lastId?: string,
  ) {
    if (lastId === this.id) this.sent = this.current();
  }

  /**
   * Identifies the list without its contents: a change or an addition raises the newest version, which never
   * decreases without a deletion, and deletions lower the number.
   */
  get id(): string {
    const apis = this.source.pcfApis();
    const newest = apis.reduce((version, api) => Math.max(version, versionOf(api)), 0);
    return `${apis.length}-${newest}`;
  }

  data(): ListUpdate {
    const before = this.sent;
    const now = this.current();
    this.sent = now;
    const changed = [...now].filter(([key, api]) => before?.get(key) !== api).map(([, api]) => listRow(api));
    const removed = before ? [...before.keys()].filter((key) => !now.has(key)) : [];
    const { canAct } = this;
    return { full: before === undefined, rows: changed, removed, notices: this.source.notices(), canAct };
  }

  private current(): Map<string, PcfApi> {
    return new Map(this.source.pcfApis().map((api) => [keyOf(api), api]));
  }
}
