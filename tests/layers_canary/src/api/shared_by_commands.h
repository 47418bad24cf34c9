#pragma once

// Belongs to a layer below.
