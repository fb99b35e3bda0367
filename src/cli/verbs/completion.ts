import { Argument, type Command } from 'commander';
import type { Begin } from './verb.ts';
