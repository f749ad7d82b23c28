/** The event types of @dot-i/k8s-operator, reached through its CommonJS default export. */
export { ResourceEventType } from '@dot-i/k8s-operator';
