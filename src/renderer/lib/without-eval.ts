/**
 * The page's content security policy allows no code from strings, so zod must not try to compile its schemas. It tries when
 * a schema is made: import this module before any that makes one.
 */
import { z } from 'zod';

z.config({ jitless: true });
