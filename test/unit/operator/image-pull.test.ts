import assert from 'node:assert/strict';
import { isPermanentPullFailure, isTransientPullFailure } from '../../../operator/reconciler/image-pull.js';

const CONTAINERD =
  'failed to pull and unpack image "ghcr.io/a/timeout:1": failed to resolve reference "ghcr.io/a/timeout:1": ';

const MESSAGES: [string, string, 'permanent' | 'transient' | 'unnamed'][] = [
  [
    'ErrImagePull',
    `rpc error: code = NotFound desc = ${CONTAINERD}ghcr.io/a/timeout:1: not found`,
    'permanent',
  ],
  [
    'ImagePullBackOff',
    `Back-off pulling image "ghcr.io/a/timeout:1": ErrImagePull: rpc error: code = NotFound desc = ${CONTAINERD}ghcr.io/a/timeout:1: not found`,
    'permanent',
  ],
  [
    'ErrImagePull',
    `${CONTAINERD}failed to authorize: failed to fetch oauth token: unexpected status from GET request to https://ghcr.io/token: 401 Unauthorized`,
    'permanent',
  ],
  [
    'ErrImagePull',
    `${CONTAINERD}unexpected status from HEAD request to https://ghcr.io/v2/: 403 Forbidden`,
    'permanent',
  ],
  [
    'ErrImagePull',
    "pull access denied for web, repository does not exist or may require 'docker login'",
    'permanent',
  ],
  ['ErrImagePull', 'reading manifest 1 in quay.io/a/web: manifest unknown', 'permanent'],
  [
    'ErrImagePull',
    'reading manifest 1 in quay.io/a/web: unauthorized: access to the requested resource is not authorized',
    'permanent',
  ],
  ['InvalidImageName', 'Failed to apply default image tag "A:1": couldn\'t parse image name', 'permanent'],
  [
    'ErrImagePull',
    `${CONTAINERD}failed to do request: Head "https://ghcr.io/v2/": dial tcp: lookup ghcr.io on 10.96.0.10:53: no such host`,
    'transient',
  ],
  [
    'ImagePullBackOff',
    `Back-off pulling image "denied:1": ErrImagePull: ${CONTAINERD}failed to do request: Head "https://ghcr.io/v2/": dial tcp 10.0.0.1:443: i/o timeout`,
    'transient',
  ],
  [
    'ErrImagePull',
    `${CONTAINERD}failed to do request: Head "https://ghcr.io/v2/": net/http: TLS handshake timeout`,
    'transient',
  ],
  [
    'ErrImagePull',
    `${CONTAINERD}unexpected status from HEAD request to https://ghcr.io/v2/: 503 Service Unavailable`,
    'transient',
  ],
  [
    'ErrImagePull',
    'pinging container registry quay.io: Get "https://quay.io/v2/": dial tcp 10.0.0.1:443: connect: connection refused',
    'transient',
  ],
  [
    'ErrImagePull',
    'reading manifest 1 in docker.io/library/web: toomanyrequests: You have reached your pull rate limit.',
    'transient',
  ],
  ['ErrImagePull', 'received unexpected HTTP status: 502 Bad Gateway', 'transient'],
  ['ImagePullBackOff', 'Back-off pulling image "ghcr.io/a/denied:1"', 'unnamed'],
];

describe('image pull failure', () => {
  for (const [reason, message, expected] of MESSAGES) {
    it(`${expected}: ${reason}: ${message.slice(-60)}`, () => {
      assert.equal(isPermanentPullFailure(reason, message), expected === 'permanent');
      assert.equal(isTransientPullFailure(reason, message), expected === 'transient');
    });
  }
});
