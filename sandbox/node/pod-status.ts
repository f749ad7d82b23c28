/** Status of a pod, derived from the states of its containers. Pure. */
import type { ContainerRunner } from './container-runner.js';
import type { Condition, Pod } from './types.js';

/** Fields of a runner that the status contains. */
export type ContainerView = Pick<
  ContainerRunner,
  'container' | 'state' | 'lastState' | 'restartCount' | 'ready' | 'started'
>;

export interface PodView {
  pod: Pod;
  podIp: string;
  startTime: string;
  initContainers: readonly ContainerView[];
  containers: readonly ContainerView[];
  /** Whether no container will run again. */
  ended: boolean;
}

export interface PodStatus {
  phase: string;
  conditions: Condition[];
  [field: string]: unknown;
}

/** `previous`: conditions whose transition times are kept if they are unchanged. */
export function podStatus(view: PodView, previous: readonly Condition[], now: string): PodStatus {
  const phase = phaseOf(view);
  const { generation } = view.pod.metadata;
  return {
    observedGeneration: generation,
    phase,
    hostIP: '127.0.0.1',
    hostIPs: [{ ip: '127.0.0.1' }],
    podIP: view.podIp,
    podIPs: [{ ip: view.podIp }],
    startTime: view.startTime,
    conditions: conditionsOf(view, phase).map((condition) => {
      const before = previous.find(({ type }) => type === condition.type);
      const lastTransitionTime = before?.status === condition.status ? before.lastTransitionTime : now;
      return { ...condition, observedGeneration: generation, lastTransitionTime };
    }),
    initContainerStatuses: view.initContainers.map((init) => ({
      ...containerStatus(init),
      ready: init.state.terminated?.exitCode === 0,
    })),
    containerStatuses: view.containers.map(containerStatus),
  };
}

function conditionsOf({ initContainers, containers }: PodView, phase: string): Condition[] {
  const condition = (type: string, holds: boolean, reason?: string, message?: string): Condition => ({
    type,
    status: holds ? 'True' : 'False',
    ...(reason && { reason }),
    ...(message && { message }),
  });
  const named = (views: readonly ContainerView[]) =>
    `[${views.map((view) => view.container.name).join(' ')}]`;
  const notDone = initContainers.filter(({ state }) => state.terminated?.exitCode !== 0);
  const notReady = containers.filter(({ ready }) => !ready);
  const readiness = (type: string) => {
    if (phase === 'Succeeded') return condition(type, false, 'PodCompleted');
    if (phase === 'Failed') return condition(type, false, 'PodFailed');
    if (notReady.length === 0) return condition(type, true);
    const message = `containers with unready status: ${named(notReady)}`;
    return condition(type, false, 'ContainersNotReady', message);
  };
  return [
    condition('PodScheduled', true),
    notDone.length === 0
      ? condition('Initialized', true)
      : condition(
          'Initialized',
          false,
          'ContainersNotInitialized',
          `containers with incomplete status: ${named(notDone)}`,
        ),
    readiness('ContainersReady'),
    readiness('Ready'),
  ];
}

function containerStatus({ container, state, lastState, restartCount, ready, started }: ContainerView) {
  return {
    name: container.name,
    image: container.image,
    imageID: container.image,
    ready,
    started,
    restartCount,
    state,
    lastState,
  };
}

function phaseOf({ initContainers, containers, ended }: PodView): string {
  const all = [...initContainers, ...containers];
  if (ended && all.some(({ state }) => state.terminated)) {
    return all.every(({ state }) => state.terminated?.exitCode === 0) ? 'Succeeded' : 'Failed';
  }
  const hasStarted = ({ state, restartCount, lastState }: ContainerView) =>
    Boolean(state.running || state.terminated || restartCount > 0 || lastState.terminated);
  return containers.every(hasStarted) ? 'Running' : 'Pending';
}
