import { hostname } from 'node:os';

/** The user whose rights this process has; 0 is root. */
export function geteuid(): number {
  return process.geteuid!();
}

export function hostName(): string {
  return hostname();
}
