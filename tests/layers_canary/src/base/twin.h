#pragma once

// Two layers have a file of this name.
