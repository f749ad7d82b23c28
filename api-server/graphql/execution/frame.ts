/** Positions of values in a response, and how the null of a non-nullable value propagates to the values around it. */
import type { Path } from 'graphql/jsutils/Path.js';

export type Container = Record<string | number, unknown>;

/** A non-nullable value is null, so the value around it becomes null. */
export const FAILED = Symbol('failed');

/** Position of an object or list in the response. It has the shape of `info.path`. */
export class Frame implements Path {
  /** The value became null because of an error in it. Further results below it are ignored. */
  nulled = false;

  constructor(
    readonly prev: Path | undefined,
    readonly key: string | number,
    readonly typename: string | undefined,
    readonly parent: Frame | undefined,
    readonly container: Container | undefined,
    readonly nonNull: boolean,
  ) {}

  /** The path of the direct children. */
  get path(): Path | undefined {
    return this.parent ? this : undefined;
  }

  get isGone(): boolean {
    for (let frame: Frame | undefined = this; frame; frame = frame.parent) if (frame.nulled) return true;
    return false;
  }
}

/** Position of one value in the response. */
export interface Slot {
  readonly frame: Frame;
  readonly container: Container;
  readonly key: string | number;
  readonly typename: string | undefined;
}

export function frameOf({ frame, container, key, typename }: Slot, nonNull: boolean): Frame {
  return new Frame(frame.path, key, typename, frame, container, nonNull);
}

/** The frame around the field whose value, list item or item of a nested list is in this slot. */
export function frameOfField({ frame, key }: Slot): Frame {
  let [around, name] = [frame, key];
  while (typeof name === 'number') [around, name] = [around.parent as Frame, around.key];
  return around;
}

/** A value with a failed part is null; a non-nullable value fails as well. */
export function ended<T>(frame: Frame, value: T | typeof FAILED): T | null | typeof FAILED {
  if (value !== FAILED) return value;
  frame.nulled = true;
  return frame.nonNull ? FAILED : null;
}

/** Like `ended`, after the enclosing values have been written. */
export function propagate(from: Frame): void {
  let frame = from;
  frame.nulled = true;
  while (frame.nonNull && frame.parent) {
    frame = frame.parent;
    frame.nulled = true;
  }
  if (frame.container) frame.container[frame.key] = null;
}
