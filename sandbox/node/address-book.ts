/**
 * Real addresses of pod ports. EndpointSlices reject loopback addresses, so each pod gets an unused address,
 * and each of its ports a free local port.
 */
export class AddressBook {
  private readonly locals = new Map<string, number>();
  private next = 1;

  /** A new pod address in 10.88.0.0/16. */
  newAddress(): string {
    const index = this.next++;
    return `10.88.${(index >> 8) & 255}.${index & 255}`;
  }

  set(address: string, port: number, localPort: number): void {
    this.locals.set(`${address}:${port}`, localPort);
  }

  /** Local port of a pod address and container port. */
  localPort(address: string, port: number): number | undefined {
    return this.locals.get(`${address}:${port}`);
  }

  forget(address: string): void {
    for (const key of this.locals.keys()) {
      if (key.startsWith(`${address}:`)) this.locals.delete(key);
    }
  }
}
