/** Converts the session affinity of a Canary to `strategy.canary.stickiness`. */
import type { Conversion } from '../conversion.js';
import type { Field } from '../source.js';
import type { Provider } from './service.js';

/** Default of Flagger, in seconds. */
const DEFAULT_MAX_AGE = 86_400;
const SAME_SITE = ['Lax', 'Strict', 'None'];

/** For a canary with weights. */
export function convertSessionAffinity(conversion: Conversion, analysis: Field, provider: Provider): void {
  const affinity = analysis.at('sessionAffinity');
  if (!affinity.isGiven) return;
  if (provider === 'None') {
    affinity.note('NotConverted', 'a Service cannot read cookies', 'set spec.traffic');
    return;
  }
  const path = ['strategy', 'canary', 'stickiness', 'cookie'];
  const [name, maxAge, sameSite] = ['cookieName', 'maxAge', 'sameSite'].map((key) => affinity.at(key));
  if (name!.isGiven) conversion.spec.set([...path, 'name'], name!.text(), name!);
  conversion.spec.set([...path, 'maxAge'], `${maxAge!.number() ?? DEFAULT_MAX_AGE}s`, maxAge!);
  const site = SAME_SITE.find((one) => one === sameSite!.value);
  if (site) conversion.spec.set([...path, 'sameSite'], sameSite!.text(), sameSite!);
  else sameSite!.note('NotConverted', 'it is Lax, Strict or None');
  affinity
    .at('primaryCookieName')
    .note('NotNeeded', 'one cookie keeps the users of both revisions, and they follow the weight');
  for (const key of ['secure', 'httpOnly'])
    if (affinity.at(key).value === true) affinity.at(key).note('NotNeeded', 'the cookie always has it');
  for (const [key, field] of affinity.entries())
    if (!['cookieName', 'maxAge', 'sameSite'].includes(key))
      field.noteUnlessCovered('NotConverted', 'the cookie is for the host, with Path=/, Secure and HttpOnly');
}

/** For other deliveries, which have no weights. */
export function reportSessionAffinity(analysis: Field): void {
  analysis
    .at('sessionAffinity')
    .note('NotConverted', 'all users are switched at once', 'use strategy Canary with steps');
}
