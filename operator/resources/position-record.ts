/** A part of the delivery's position as an annotation of a ControllerRevision, whose data is immutable. */
import { GROUP } from '../api/v1alpha1/pcfapi.js';
import { type PositionRecord, positionRecord } from '../api/v1alpha1/status/delivery-position.js';
import { canonicalJson } from '../runtime/canonical-json.js';
import type { KubeObject } from '../runtime/kube-types.js';

const POSITION_ANNOTATION = `${GROUP}/position`;

export function recordAnnotations(record: PositionRecord | undefined): Record<string, string> | undefined {
  return record && { [POSITION_ANNOTATION]: canonicalJson(record) };
}

/** Undefined also for text that is not a record: the operator writes it again. */
export function readRecord({ metadata }: KubeObject): PositionRecord | undefined {
  const text = metadata.annotations?.[POSITION_ANNOTATION];
  return text === undefined ? undefined : positionRecord.safeParse(parsed(text)).data;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
