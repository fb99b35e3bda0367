import { hostname, userInfo } from 'node:os';

/** What a key is called unless someone says otherwise: `user@host`. */
export function defaultLabel(): string {
  return `${userName()}@${hostname()}`;
}

/** The user's name, or their number where the system knows no name for it. */
function userName(): string {
  try {
    return userInfo().username;
  } catch (error) {
    if ((error as { code?: unknown }).code === 'ERR_SYSTEM_ERROR') return String(process.getuid!());
    throw error;
  }
}
