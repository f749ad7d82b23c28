/**
 * Where a pod's ports really are. Endpoint slices refuse loopback addresses, so each
 * pod is given an address that no host has, and each of its ports a free local one.
 */
export class AddressBook {
  private readonly locals = new Map<string, number>();
  private next = 1;

  /** A new pod address out of 10.88.0.0/16. */
  newAddress(): string {
    const index = this.next++;
    return `10.88.${(index >> 8) & 255}.${index & 255}`;
  }

  set(address: string, port: number, localPort: number): void {
    this.locals.set(`${address}:${port}`, localPort);
  }

  /** Local port behind a pod's address and container port. */
  localPort(address: string, port: number): number | undefined {
    return this.locals.get(`${address}:${port}`);
  }

  forget(address: string): void {
    for (const key of this.locals.keys()) {
      if (key.startsWith(`${address}:`)) this.locals.delete(key);
    }
  }
}
