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
  // Response of Docker Hub for a repository that does not exist.
  [
    'ErrImagePull',
    `${CONTAINERD}pull access denied, repository does not exist or may require authorization: server message: insufficient_scope: authorization failed`,
    'permanent',
  ],
  [
    'ErrImagePull',
    `${CONTAINERD}pull access denied, repository does not exist or may require authorization: authorization failed: no basic auth credentials`,
    'permanent',
  ],
  [
    'ErrImagePull',
    `${CONTAINERD}unexpected status from HEAD request to https://ghcr.io/v2/: 429 Too Many Requests`,
    'transient',
  ],
  [
    'ErrImagePull',
    'Error reading manifest latest in docker.io/crio/busybox: errors:\ndenied: requested access to the resource is denied\nunauthorized: authentication required',
    'permanent',
  ],
  [
    'ErrImagePull',
    'initializing source docker://quay.io/a/web:1: reading manifest 1 in quay.io/a/web: name unknown: repository not found',
    'permanent',
  ],
  ['ErrImagePull', 'Requesting bearer token: invalid status code from registry 403 (Forbidden)', 'permanent'],
  [
    'ErrImagePull',
    'Requesting bearer token: invalid status code from registry 503 (Service Unavailable)',
    'transient',
  ],
  ['ErrImagePull', 'invalid status code from registry 429 (Too Many Requests)', 'transient'],
  ['ErrImagePull', 'error pulling image configuration: received unexpected HTTP status: 530', 'transient'],
  // CRI-O 1.32 and newer try an artifact after the image, and report both.
  [
    'ErrImagePull',
    'unable to pull image or OCI artifact: pull image err: initializing source docker://quay.io/a/web:1: reading manifest 1 in quay.io/a/web: manifest unknown; artifact err: get manifest: build image source: reading manifest 1 in quay.io/a/web: manifest unknown',
    'permanent',
  ],
  [
    'ErrImagePull',
    'pinging container registry quay.io: Get "https://quay.io/v2/": dial tcp: lookup quay.io: Temporary failure in name resolution',
    'transient',
  ],
  [
    'RegistryUnavailable',
    'pinging container registry localhost:7439: Get "http://localhost:7439/v2/": dial tcp [::1]:7439: connect: connection refused',
    'transient',
  ],
  [
    'ImagePullBackOff',
    'Back-off pulling image "quay.io/a/web:1": RegistryUnavailable: image pull failed for quay.io/a/web:1 because the registry is unavailable.',
    'transient',
  ],
  [
    'SignatureValidationFailed',
    'image pull failed for quay.io/a/web:1 because the signature validation failed: Source image rejected: A signature was required, but no signature exists',
    'permanent',
  ],
  [
    'ImagePullBackOff',
    'Back-off pulling image "quay.io/a/web:1": SignatureValidationFailed: image pull failed for quay.io/a/web:1 because the signature validation failed: unable to pull image or OCI artifact: pull image err: Source image rejected: A signature was required, but no signature exists; artifact err: image reference: reference is a container image, not an OCI artifact',
    'permanent',
  ],
  // A firewall of the node rejects the connection: the registry was not reached.
  [
    'ErrImagePull',
    `${CONTAINERD}failed to do request: Head "https://ghcr.io/v2/": dial tcp 10.0.0.1:443: connect: permission denied`,
    'transient',
  ],
  [
    'ErrImagePull',
    `${CONTAINERD}failed to do request: Get "https://ghcr.io/v2/": net/http: request canceled while waiting for connection (Client.Timeout exceeded while awaiting headers)`,
    'transient',
  ],
  ['ErrImagePull', `rpc error: code = DeadlineExceeded desc = context deadline exceeded`, 'transient'],
  ['ErrImagePull', `${CONTAINERD}no match for platform in manifest: not found`, 'permanent'],
  // The cause is one node or its configuration.
  [
    'ErrImagePull',
    `${CONTAINERD}failed to do request: Head "https://ghcr.io/v2/": tls: failed to verify certificate: x509: certificate signed by unknown authority`,
    'unnamed',
  ],
  [
    'ErrImagePull',
    'failed to extract layer sha256:1: write /var/lib/containerd/tmp: no space left on device',
    'unnamed',
  ],
  [
    'ErrImagePull',
    'failed commit on ref "layer-sha256:1": unexpected commit digest sha256:2, expected sha256:1: failed precondition',
    'unnamed',
  ],
];

describe('image pull failures', () => {
  for (const [reason, message, expected] of MESSAGES) {
    it(`classifies ${reason} as ${expected}: ${message.slice(-60).replaceAll('\n', ' ')}`, () => {
      assert.equal(isPermanentPullFailure(reason, message), expected === 'permanent');
      assert.equal(isTransientPullFailure(reason, message), expected === 'transient');
    });
  }
});
